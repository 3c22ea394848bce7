import { allOrFirstFailure } from '../../concurrency.ts';
import { hasCode } from '../../errors.ts';
import type { LimitFunction } from 'p-limit';
import { type Endpoints, sourceStore } from '../model/endpoints.ts';
import {
  FIRST_BYTES,
  type Format,
  expectedFormat,
  isSameFormat,
  nameOf,
  tellFormat,
} from '../model/format.ts';
import { isUtf16 } from '../model/kind.ts';
import { decode } from '../codec/decode.ts';
import { endOf } from '../codec/whole.ts';
import type { CommittedOutput, CommittedSource } from '../model/manifest.ts';
import type { Location } from '../model/location.ts';

/** The stores of a proof, and its bounds. */
export interface KindContext extends Endpoints {
  source: Location;
  destination: Location;
  /** Requests at once, those of other proofs included. */
  requests: LimitFunction;
  hasTime: () => boolean;
  signal: AbortSignal;
}

/**
 * Proves that sources which were joined as they are can be read out of their output by a standard tool. Releases before this
 * one told kinds by keys alone, and did not look at the ends of sources. An output of gzip or zstd is read and decoded to its
 * end; of any other, the first bytes of each source are read, and of bzip2 and xz the last ones too.
 *
 * @param sources those that are in raw as they were rolled up
 * @returns `differs`, the end of a sentence that begins with the output's key; undefined if nothing differs
 * @throws RollupError as `Store.read` does
 */
export async function proveKind(
  output: CommittedOutput,
  sources: readonly CommittedSource[],
  context: KindContext,
): Promise<{ differs: string | undefined } | 'out of time'> {
  // One source alone is what it is, whatever its name says.
  if (output.codec !== undefined || output.sources === 1) return { differs: undefined };
  const { kind: named = 'plain' } = expectedFormat(output.key);
  if (named === 'gzip' || named === 'zstd') return decodes(output, named, context);
  const formats = await readFormats(sources, context);
  if (formats === 'out of time') return formats;
  const [first] = formats;
  const other = formats.find(({ format }) => first !== undefined && !isSameFormat(format, first.format));
  const { kind } = first?.format ?? { kind: named };
  const isAsNamed = kind === named || (named === 'plain' && isUtf16(kind));
  if (other === undefined && isAsNamed) return { differs: undefined };
  // Sources of one kind under another name: whoever knows it can read them.
  if (other === undefined && (kind === 'gzip' || kind === 'zstd')) return decodes(output, kind, context);
  const strange = isAsNamed && other !== undefined ? other : first;
  const what = strange === undefined ? '' : `${strange.key}, which is ${nameOf(strange.format)} by its bytes`;
  return {
    differs: `is ${nameOf({ kind: named })} by its name, and holds ${what}: no tool reads it out again`,
  };
}

/** Decodes an output as a standard tool does: to its last byte, without zeros that are skipped. */
async function decodes(
  { key, etag }: CommittedOutput,
  form: 'gzip' | 'zstd',
  { store, destination, requests, signal }: KindContext,
): Promise<{ differs: string | undefined }> {
  let isPadded = false;
  const read = async (): Promise<void> => {
    const stored = store.stream({ bucket: destination.bucket, key, etag }, signal);
    const text = decode(form, stored, key, () => {
      isPadded = true;
    });
    while ((await text.next()).done !== true);
  };
  try {
    await requests(read);
  } catch (error) {
    if (!hasCode(error, 'SourceCorrupt')) throw error;
    return { differs: `cannot be read to its end by a tool for ${form}` };
  }
  return {
    differs: (isPadded as boolean) ? `has zeros behind a member, where a tool for ${form} stops` : undefined,
  };
}

interface Told {
  key: string;
  format: Format;
}

async function readFormats(
  sources: readonly CommittedSource[],
  context: KindContext,
): Promise<Told[] | 'out of time'> {
  const stop = new AbortController();
  const signal = AbortSignal.any([stop.signal, context.signal]);
  let late = false;
  const reading = sources.map((source) =>
    context.requests(() => {
      late ||= !context.hasTime();
      return late ? undefined : readFormat(source, context, signal);
    }),
  );
  const formats = await allOrFirstFailure(reading, stop);
  return (late as boolean) ? 'out of time' : formats.filter((told) => told !== undefined);
}

/** Bytes at the end of a source of bzip2 or xz that tell if it is whole. */
const LAST_BYTES = 64;

/** Undefined for a source that cannot be read: it is not deleted either. */
async function readFormat(
  { key, etag, size }: CommittedSource,
  { source, ...endpoints }: KindContext,
  signal: AbortSignal,
): Promise<Told | undefined> {
  const raw = sourceStore(endpoints);
  const at = { bucket: source.bucket, key, etag };
  const read = async (offset: number, length: number) => {
    const bytes = Buffer.allocUnsafe(length);
    return { bytes, ...(await raw.read({ ...at, range: { offset, length } }, bytes, signal)) };
  };
  try {
    const { bytes, contentEncoding } = await read(0, Math.min(FIRST_BYTES, size));
    const format = tellFormat({ key, bytes, contentEncoding });
    if (format.kind !== 'bzip2' && format.kind !== 'xz') return { key, format };
    const length = Math.min(LAST_BYTES, size);
    const last = await read(size - length, length);
    return { key, format: endOf(format.kind, last.bytes) === 'whole' ? format : { damaged: format.kind } };
  } catch (error) {
    if (hasCode(error, 'SourceArchived')) return undefined;
    throw error;
  }
}

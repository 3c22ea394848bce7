import { allOrFirstFailure } from '../../concurrency.ts';
import { hasCode } from '../../errors.ts';
import type { LimitFunction } from 'p-limit';
import type { Settings } from '../../settings/table.ts';
import { type Endpoints, sourceStore } from '../model/endpoints.ts';
import { FIRST_BYTES, type Format, expectedFormat, nameOf, tellFormat } from '../model/format.ts';
import type { CommittedOutput, CommittedSource } from '../model/manifest.ts';
import type { Location } from '../model/location.ts';

/** The stores of a proof, and its bounds. */
export interface KindContext extends Endpoints {
  source: Location;
  /** Requests at once, those of other proofs included. */
  requests: LimitFunction;
  settings: Pick<Settings, 'sourceFormat'>;
  hasTime: () => boolean;
  signal: AbortSignal;
}

/**
 * Proves that sources which were joined as they are can be read out of their output by a standard tool: that all are of
 * the kind that the output's name says. Releases before this one told kinds by keys alone. Reads the first bytes of each.
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
  const isJoined = output.codec === undefined && output.sources > 1;
  if (!isJoined || context.settings.sourceFormat !== 'auto') return { differs: undefined };
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
  if (late as boolean) return 'out of time';
  const named = expectedFormat(output.key);
  const isUtf16 = named.kind === 'plain' && formats.every((format) => format?.kind === 'utf16');
  const other = formats.findIndex((format) => format !== undefined && format.kind !== named.kind);
  if (isUtf16 || other === -1) return { differs: undefined };
  const what = `${sources[other]?.key ?? ''}, which is ${nameOf(formats[other] ?? named)} by its first bytes`;
  return { differs: `is ${nameOf(named)} by its name, and holds ${what}: no tool reads it out again` };
}

/** Undefined for a source that cannot be read: it is not deleted either. */
async function readFormat(
  { key, etag, size }: CommittedSource,
  { source, ...endpoints }: KindContext,
  signal: AbortSignal,
): Promise<Format | undefined> {
  const bytes = Buffer.allocUnsafe(Math.min(FIRST_BYTES, size));
  const range = { offset: 0, length: bytes.length };
  try {
    const from = { bucket: source.bucket, key, etag, range };
    const { contentEncoding } = await sourceStore(endpoints).read(from, bytes, signal);
    return tellFormat({ key, bytes, contentEncoding });
  } catch (error) {
    if (hasCode(error, 'SourceArchived')) return undefined;
    throw error;
  }
}

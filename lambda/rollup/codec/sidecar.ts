import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { z } from 'zod';
import type { Location } from '../model/location.ts';
import { formatCrc32 } from '../model/checksum/checksum.ts';
import { type CommittedSource, MOST_HEADER } from '../model/manifest.ts';
import type { PlannedOutput } from '../model/output.ts';
import type { SourceEncoding } from '../model/encoding.ts';

/** The text that a source was decoded to. */
export interface SourceText {
  /** Bytes of the text in the output, without an added newline. */
  length: number;
  /** True if a newline was added behind it. */
  added: boolean;
  /** The form that it was decoded from; undefined for plain text. */
  encoding?: SourceEncoding | undefined;
  /** Bytes of the header that was left out in front of it; undefined where none was. */
  header?: number | undefined;
}

/** The text of an output whose sources were decoded. */
export interface OutputText {
  /** In the order of the output. */
  sources: SourceText[];
  /** Bytes of the whole text, added newlines included. */
  size: number;
  crc32: number;
}

const count = z.number().int().nonnegative();
const schema = z.strictObject({
  version: z.literal(1),
  size: count,
  crc32: count,
  sources: z.array(
    z.strictObject({
      length: count,
      added: z.boolean(),
      encoding: z.enum(['gzip', 'zstd']).optional(),
      header: count.min(1).max(MOST_HEADER).optional(),
    }),
  ),
});

/**
 * The key of an output's sidecar, which holds the lengths of its decoded sources until the commit records them: they
 * cannot be seen from sizes. It is written before the output appears, so that a run which finds the output finds it too.
 * What it says depends on the sources alone, not on the release of zlib that wrote the output.
 */
export function sidecarKeyOf(outputKey: string, { prefix }: Location): string {
  return `${prefix}_frames/${outputKey.slice(prefix.length)}.json.gz`;
}

/** The sidecar as it is stored: JSON in gzip. */
export function formatSidecar({ size, crc32, sources }: OutputText): Promise<Buffer> {
  return promisify(gzip)(JSON.stringify({ version: 1, size, crc32, sources }));
}

/** The most bytes that the sidecar of an output has, as it is stored and as text: a source takes up to 75 of them. */
export function maxSidecarSize({ pieces }: PlannedOutput): number {
  return 1024 + 80 * pieces.length;
}

/** Parses a stored sidecar; undefined if it is not one of this output. */
export async function parseSidecar(body: Buffer, output: PlannedOutput): Promise<OutputText | undefined> {
  const json = await promisify(gunzip)(body, { maxOutputLength: maxSidecarSize(output) }).catch(
    () => undefined,
  );
  if (json === undefined) return undefined;
  const parsed = schema.safeParse(parseJson(json.toString('utf8')));
  if (!parsed.success) return undefined;
  const { size, crc32, sources } = parsed.data;
  let end = 0;
  for (const { length, added, header = 0 } of sources) {
    if (header > end || (header > 0 && output.headerLines === undefined)) return undefined;
    end += length + (added ? 1 : 0);
  }
  return end === size && sources.length === output.pieces.length ? { size, crc32, sources } : undefined;
}

/** The lines of `_sources` for an output whose sources were decoded: offsets and lengths are of its text. */
export function offsetsOfText(output: PlannedOutput, text: OutputText): CommittedSource[] {
  let offset = 0;
  return output.pieces.map(({ source: { key, etag, size, lastModified } }, i) => {
    const { length, added, encoding, header } = text.sources[i] as SourceText;
    const line = { key, etag, size, lastModified, output: output.key, offset, length, encoding, header };
    offset += length + (added ? 1 : 0);
    return line;
  });
}

/**
 * The number of sources whose first lines stay in an output, though they are not its header: they differ from it. Undefined
 * where no header lines are left out.
 */
export function headersKeptIn({ headerLines }: PlannedOutput, { sources }: OutputText): number | undefined {
  if (headerLines === undefined) return undefined;
  const whole = sources.filter(({ length, header }) => length > 0 && header === undefined);
  return Math.max(0, whole.length - 1);
}

/** The fields that the manifest has for an output with a codec, besides those of every output. */
export function decodedFields(output: PlannedOutput, { size, crc32 }: OutputText) {
  const { encoding } = output;
  return encoding === undefined
    ? {}
    : { codec: encoding.codec, decoded: { size, crc32: formatCrc32(crc32) } };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The keys that are written for an output: its own, and that of its sidecar if it has one. */
export function keysOf({ key, mode }: Pick<PlannedOutput, 'key' | 'mode'>, destination: Location): string[] {
  return mode === 'encode' ? [key, sidecarKeyOf(key, destination)] : [key];
}

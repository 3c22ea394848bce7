import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { z } from 'zod';
import type { Location } from '../model/location.ts';
import { type CommittedSource, formatCrc32 } from '../model/manifest.ts';
import type { PlannedOutput } from '../model/output.ts';
import type { SourceEncoding } from '../model/encoding.ts';

/** What decoding a source came to. */
export interface SourceText {
  /** Of its own text. */
  length: number;
  /** A newline was added behind it. */
  added: boolean;
  /** What it was decoded from, if it was. */
  encoding?: SourceEncoding | undefined;
}

/** What decoding the sources of an output came to, in their order. */
export interface OutputText {
  sources: SourceText[];
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
    }),
  ),
});

/**
 * Where the frames of an output are told until its commit tells them: what its sources were decoded to cannot be seen
 * from sizes. It is written before the output appears, so that whoever finds the output finds its frames. They depend on
 * what goes in alone, not on the release of zlib that wrote the output.
 */
export function sidecarKeyOf(outputKey: string, { prefix }: Location): string {
  return `${prefix}_frames/${outputKey.slice(prefix.length)}.json.gz`;
}

export function formatSidecar({ size, crc32, sources }: OutputText): Promise<Buffer> {
  return promisify(gzip)(JSON.stringify({ version: 1, size, crc32, sources }));
}

/** Bytes that the sidecar of an output comes to at most, as it is stored and as text: a source takes up to 59 of it. */
export function mostSidecar({ pieces }: PlannedOutput): number {
  return 1024 + 64 * pieces.length;
}

/** Undefined for what is not the sidecar of this output. */
export async function parseSidecar(body: Buffer, output: PlannedOutput): Promise<OutputText | undefined> {
  const json = await promisify(gunzip)(body, { maxOutputLength: mostSidecar(output) }).catch(() => undefined);
  if (json === undefined) return undefined;
  const parsed = schema.safeParse(parseJson(json.toString('utf8')));
  if (!parsed.success) return undefined;
  const { size, crc32, sources } = parsed.data;
  const sum = sources.reduce((total, { length, added }) => total + length + (added ? 1 : 0), 0);
  return sum === size && sources.length === output.pieces.length ? { size, crc32, sources } : undefined;
}

/** The lines of `_sources` for an output whose sources were decoded. */
export function textOffsetsOf(output: PlannedOutput, text: OutputText): CommittedSource[] {
  let offset = 0;
  return output.pieces.map(({ source: { key, etag, size, lastModified } }, i) => {
    const { length, added, encoding } = text.sources[i] as SourceText;
    const frame = { key, etag, size, lastModified, output: output.key, offset, length, encoding };
    offset += length + (added ? 1 : 0);
    return frame;
  });
}

/** What the manifest says of an output whose sources were decoded. */
export function codedFields(output: PlannedOutput, { size, crc32 }: OutputText) {
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

/** Of all that is written for an output. */
export function keysOf({ key, mode }: Pick<PlannedOutput, 'key' | 'mode'>, destination: Location): string[] {
  return mode === 'encode' ? [key, sidecarKeyOf(key, destination)] : [key];
}

import type { Settings } from '../../settings/table.ts';
import { type Checksum, type Crc, isSame } from '../model/checksum/checksum.ts';
import { crc32 } from '../model/checksum/crc32.ts';
import type { CommittedSource } from '../model/manifest.ts';
import { NEWLINE, NEWLINE_BYTES } from '../model/newline.ts';
import type { PlannedOutput } from '../model/output.ts';
import { otherBytes } from '../model/checksum/stored-checksum.ts';

/** The most bytes that an output may have: a newline could be added behind every source. */
export function largestSize(output: PlannedOutput): number {
  return output.size + (output.ensureNewline ? output.pieces.length : 0);
}

/** True of an output that may be uploaded in more than one part. */
export function isInParts(output: PlannedOutput, { partSize }: Pick<Settings, 'partSize'>): boolean {
  return largestSize(output) > partSize;
}

/**
 * Adds a newline behind every source in the buffer that lacks its last one, and moves the bytes that follow it along.
 *
 * @param buffer the sources, one behind another, and room for `largestSize` bytes
 * @returns the bytes in use, and for each source true if a newline was added behind it
 */
export function closeLines(buffer: Buffer, output: PlannedOutput): { length: number; added: boolean[] } {
  const starts: number[] = [];
  let end = 0;
  const added = output.pieces.map(({ source }) => {
    starts.push(end);
    end += source.size;
    return output.ensureNewline && buffer[end - 1] !== NEWLINE;
  });
  let shift = added.filter(Boolean).length;
  const length = end + shift;
  // From the last to the first, so that nothing is overwritten before it has moved.
  for (let i = added.length - 1; shift > 0; i--) {
    const start = starts[i] ?? 0;
    if (added[i] === true) buffer[end + --shift] = NEWLINE;
    if (shift > 0) buffer.copyWithin(start + shift, start, end);
    end = start;
  }
  return { length, added };
}

/** Returns an output's checksum, and those of its parts: see `partChecksumsOf`. */
export function checksumsOf(
  crc: Crc,
  body: Buffer,
  sources: readonly CommittedSource[],
  checksums: readonly Checksum[],
  partSize: number,
): { checksum: Checksum; partChecksums: Checksum[] } {
  const partChecksums = partChecksumsOf(crc, body, sources, checksums, partSize);
  const checksum = partChecksums.reduce(
    (sum, part, i) => crc.combine(sum, part, Math.min(partSize, body.length - i * partSize)),
    crc.none,
  );
  return { checksum, partChecksums };
}

/**
 * Combines the checksums of an output's parts from those of the sources that lie whole in a part. Of a source that lies in
 * two, both pieces are computed: they must combine to its checksum, by which no part that it lies in is verified otherwise.
 *
 * @param body the output
 * @param sources with their offsets in it
 * @param checksums those of the sources
 * @throws RollupError `ChecksumMismatch` for a source that lies in two parts and has another checksum
 */
function partChecksumsOf(
  crc: Crc,
  body: Buffer,
  sources: readonly CommittedSource[],
  checksums: readonly Checksum[],
  partSize: number,
): Checksum[] {
  const parts: Checksum[] = [];
  let part = crc.none;
  let at = 0;
  const add = (checksum: Checksum, length: number): void => {
    part = crc.combine(part, checksum, length);
    at += length;
    if (at % partSize !== 0 && at !== body.length) return;
    parts.push(part);
    part = crc.none;
  };
  const newline = crc.of(NEWLINE_BYTES);
  for (const [i, { key, offset, length }] of sources.entries()) {
    // A newline that was added behind the source before.
    if (at < offset) add(newline, 1);
    const whole = checksums[i] ?? crc.none;
    const end = offset + length;
    if (end <= endOfPart(at, partSize)) {
      add(whole, length);
      continue;
    }
    let sum = crc.none;
    while (at < end) {
      const piece = body.subarray(at, Math.min(end, endOfPart(at, partSize)));
      const computed = crc.of(piece);
      sum = crc.combine(sum, computed, piece.length);
      add(computed, piece.length);
    }
    if (!isSame(sum, whole)) throw otherBytes(key);
  }
  if (at < body.length) add(newline, 1);
  return parts;
}

/** The end of the part that a byte is in. */
function endOfPart(at: number, partSize: number): number {
  return (Math.floor(at / partSize) + 1) * partSize;
}

/** The lines of `_sources` for an output; `added` is true for each source behind which a newline was added. */
export function offsetsOf(output: PlannedOutput, added: boolean[]): CommittedSource[] {
  let offset = 0;
  return output.pieces.map(({ source: { key, etag, size, lastModified } }, i) => {
    const line = { key, etag, size, lastModified, output: output.key, offset, length: size };
    offset += size + (added[i] === true ? 1 : 0);
    return line;
  });
}

/** Characters of the metadata, at most: S3 takes 2 KB of it with an object, names included. */
const MOST_METADATA = 1536;

/**
 * Formats metadata of the output that records behind which sources a newline was added, so that a run which finds the
 * output need not read it: a bit a source. Empty where the size tells (all or none), or where there are too many sources.
 */
export function formatAdded(added: boolean[]): Record<string, string> {
  if (!added.includes(true) || !added.includes(false)) return {};
  const bits = Buffer.alloc(Math.ceil(added.length / 8));
  for (const [i, isAdded] of added.entries())
    if (isAdded) bits[i >> 3] = (bits[i >> 3] ?? 0) | (1 << (i & 7));
  const text = bits.toString('base64url');
  return text.length > MOST_METADATA ? {} : { 'added-newlines': text };
}

/** Parses the metadata that `formatAdded` wrote; undefined where it is absent, or is for another number of sources. */
export function parseAdded(
  metadata: Readonly<Record<string, string>>,
  sources: number,
): boolean[] | undefined {
  const bits = Buffer.from(metadata['added-newlines'] ?? '', 'base64url');
  if (bits.length !== Math.ceil(sources / 8)) return undefined;
  return Array.from({ length: sources }, (_, i) => ((bits[i >> 3] ?? 0) & (1 << (i & 7))) !== 0);
}

/**
 * Finds out from the bytes of an existing output behind which of its sources a newline was added, and its CRC-32.
 * Undefined where the bytes cannot be those of this output.
 */
export async function readOffsets(
  output: PlannedOutput,
  bytes: AsyncIterable<Buffer>,
): Promise<{ crc32: number; added: boolean[] } | undefined> {
  const added: boolean[] = [];
  const { pieces, ensureNewline } = output;
  let left = pieces[0]?.source.size ?? 0;
  let crc = 0;
  let total = 0;
  for await (const chunk of bytes) {
    crc = crc32(chunk, crc);
    total += chunk.length;
    let at = 0;
    while (at < chunk.length) {
      if (left > 0) {
        const taken = Math.min(left, chunk.length - at);
        at += taken;
        left -= taken;
        if (left > 0) continue;
        const lacking = ensureNewline && chunk[at - 1] !== NEWLINE;
        added.push(lacking);
        if (!lacking) left = pieces[added.length]?.source.size ?? 0;
      } else {
        // The newline that was added behind the source before, or bytes past the end.
        if (added.at(-1) !== true || chunk[at] !== NEWLINE) return undefined;
        at++;
        left = pieces[added.length]?.source.size ?? 0;
      }
    }
  }
  const isWhole = added.length === pieces.length && total === output.size + added.filter(Boolean).length;
  return isWhole ? { crc32: crc, added } : undefined;
}

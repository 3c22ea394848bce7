import { combineCrc32, crc32 } from '../model/crc32.ts';
import type { CommittedSource } from '../model/manifest.ts';
import type { PlannedOutput } from '../model/output.ts';

const NEWLINE = 0x0a;
const NEWLINE_BYTES = Buffer.from([NEWLINE]);

/** Bytes that an output may come to: every source could be given a newline. */
export function largestSize(output: PlannedOutput): number {
  return output.size + (output.ensureNewline ? output.pieces.length : 0);
}

/**
 * Gives a newline to every source in the buffer that lacks its last one, moving what follows it along. The sources
 * lie one after another; the buffer has room for `largestSize`. Returns the bytes in use and their CRC-32, from the
 * CRC-32 of each source.
 */
export function closeLines(
  buffer: Buffer,
  output: PlannedOutput,
  crcs: number[],
): { length: number; crc32: number; added: boolean[] } {
  const starts: number[] = [];
  let end = 0;
  let crc = 0;
  const added = output.pieces.map(({ source }, i) => {
    starts.push(end);
    end += source.size;
    crc = combineCrc32(crc, crcs[i] ?? 0, source.size);
    const lacking = output.ensureNewline && buffer[end - 1] !== NEWLINE;
    if (lacking) crc = crc32(NEWLINE_BYTES, crc);
    return lacking;
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
  return { length, crc32: crc, added };
}

/**
 * The CRC-32 of every part of an output in its buffer: from those of the sources that lie whole in a part, so that only
 * what straddles two of them is read again.
 */
export function partCrcsOf(
  buffer: Buffer,
  length: number,
  frames: CommittedSource[],
  crcs: number[],
  partSize: number,
): number[] {
  const parts: number[] = [];
  let next = 0;
  for (let start = 0; start < length; start += partSize) {
    const end = Math.min(start + partSize, length);
    let crc = 0;
    let at = start;
    while (at < end) {
      // Sources that ended before this part, or in it but began before it, are behind us.
      while ((frames[next]?.offset ?? end) < at) next++;
      const frame = frames[next];
      if (frame?.offset === at && at + frame.length <= end) {
        crc = combineCrc32(crc, crcs[next] ?? 0, frame.length);
        at += frame.length;
        next++;
      } else {
        // Of a source that straddles, or a newline that was added: up to the next source, or the end of the part.
        const until = Math.min(end, frame !== undefined && frame.offset > at ? frame.offset : end);
        crc = crc32(buffer.subarray(at, until), crc);
        at = until;
      }
    }
    parts.push(crc);
  }
  return parts;
}

/** The lines of `_sources` for an output, given which of its sources were followed by an added newline. */
export function offsetsOf(output: PlannedOutput, added: boolean[]): CommittedSource[] {
  let offset = 0;
  return output.pieces.map(({ source: { key, etag, size, lastModified } }, i) => {
    const frame = { key, etag, size, lastModified, output: output.key, offset, length: size };
    offset += size + (added[i] === true ? 1 : 0);
    return frame;
  });
}

/** S3 takes 2 KB of metadata with an object. */
const MOST_METADATA = 1536;

/**
 * Which sources were followed by an added newline, as metadata of the output, so that a run which finds it need not read
 * it: a bit a source. Empty where the size tells (all of them or none) or where there are too many sources.
 */
export function formatAdded(added: boolean[]): Record<string, string> {
  if (!added.includes(true) || !added.includes(false)) return {};
  const bits = Buffer.alloc(Math.ceil(added.length / 8));
  for (const [i, is] of added.entries()) if (is) bits[i >> 3] = (bits[i >> 3] ?? 0) | (1 << (i & 7));
  const text = bits.toString('base64url');
  return text.length > MOST_METADATA ? {} : { 'added-newlines': text };
}

/** What `formatAdded` wrote; undefined where there is none, or none for so many sources. */
export function parseAdded(
  metadata: Readonly<Record<string, string>>,
  sources: number,
): boolean[] | undefined {
  const bits = Buffer.from(metadata['added-newlines'] ?? '', 'base64url');
  if (bits.length !== Math.ceil(sources / 8)) return undefined;
  return Array.from({ length: sources }, (_, i) => ((bits[i >> 3] ?? 0) & (1 << (i & 7))) !== 0);
}

/**
 * Finds out from a writtenOutput output's own bytes which of its sources were followed by an added newline, and its
 * CRC-32. Undefined where the bytes cannot be those of this output.
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
        // The newline that the source before lacks, or bytes past the end.
        if (added.at(-1) !== true || chunk[at] !== NEWLINE) return undefined;
        at++;
        left = pieces[added.length]?.source.size ?? 0;
      }
    }
  }
  const whole = added.length === pieces.length && total === output.size + added.filter(Boolean).length;
  return whole ? { crc32: crc, added } : undefined;
}

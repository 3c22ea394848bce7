import type { Kind } from '../model/kind.ts';

/**
 * Says if a compressed source, which is to be joined as it is, ends where its last member or frame ends. Otherwise a tool
 * that reads the joined bytes stops there, and what lies behind is lost to it.
 *
 * - `whole`, `cut`: as the format itself tells without decoding (zstd, bzip2, xz).
 * - `unsure`: gzip alone, whose end cannot be seen but by decoding: its last eight bytes, CRC-32 and length of the text, do
 *   not fit a member of this size. Sources of several members are so too.
 */
export function endOf(kind: Kind, body: Buffer): 'whole' | 'cut' | 'unsure' {
  switch (kind) {
    case 'gzip':
      return endsAsOneMember(body) ? 'whole' : 'unsure';
    case 'zstd':
      return isOfFrames(body) ? 'whole' : 'cut';
    case 'bzip2':
      return endsAsBzip2(body) ? 'whole' : 'cut';
    case 'xz':
      return endsAsXz(body) ? 'whole' : 'cut';
    case 'plain':
    case 'utf16le':
    case 'utf16be':
      return 'whole';
  }
}

// RFC 1952, section 2.3.1.
const GZIP_HEADER = 10;
const GZIP_TRAILER = 8;
/** A stored block holds 65,535 bytes, and zlib ends one after 16,383 at the latest; each has five bytes of its own. */
const STORED_BLOCK = 16_383;
const BLOCK_OVERHEAD = 5;

/**
 * True if the last eight bytes can be those of a member that is the whole source: its text is at least as long as what
 * deflate makes of it, but for the overhead of blocks. Zeros behind a member make the length that is read there smaller by
 * 256 times each.
 */
function endsAsOneMember(body: Buffer): boolean {
  if (body.length < GZIP_HEADER + GZIP_TRAILER) return false;
  const crc = body.readUInt32LE(body.length - 8);
  const length = body.readUInt32LE(body.length - 4);
  if (length === 0) return crc === 0 && isEmptyDeflate(body.subarray(0, -GZIP_TRAILER));
  const deflated = body.length - headerLength(body) - GZIP_TRAILER;
  return length + BLOCK_OVERHEAD * (Math.floor(length / STORED_BLOCK) + 1) + 2 >= deflated;
}

/** True of bytes that end as deflate of no text does: a block of fixed codes, or a stored one. */
function isEmptyDeflate(bytes: Buffer): boolean {
  return bytes.subarray(-2).equals(EMPTY_FIXED) || bytes.subarray(-5).equals(EMPTY_STORED);
}

const EMPTY_FIXED = Buffer.from([0x03, 0x00]);
const EMPTY_STORED = Buffer.from([0x01, 0x00, 0x00, 0xff, 0xff]);

const FLAGS = { headerCrc: 2, extra: 4, name: 8, comment: 16 };

/** Bytes of the header of a gzip member, with its optional fields. */
function headerLength(body: Buffer): number {
  const flags = body[3] ?? 0;
  let at = GZIP_HEADER;
  if ((flags & FLAGS.extra) !== 0 && at + 2 <= body.length) at += 2 + body.readUInt16LE(at);
  for (const flag of [FLAGS.name, FLAGS.comment]) {
    if ((flags & flag) === 0) continue;
    const end = body.indexOf(0, at);
    if (end === -1) return at;
    at = end + 1;
  }
  return (flags & FLAGS.headerCrc) === 0 ? at : at + 2;
}

// RFC 8878, sections 3.1.1 and 3.1.2.
const ZSTD_MAGIC = 0xfd2fb528;
const SKIPPABLE_MAGIC = 0x184d2a50;
const DICTIONARY_ID_BYTES = [0, 1, 2, 4];
const CONTENT_SIZE_BYTES = [0, 2, 4, 8];
const RLE_BLOCK = 1;
const RESERVED_BLOCK = 3;

/** True of whole zstd frames and nothing else: goes from block to block by their headers. */
function isOfFrames(body: Buffer): boolean {
  let at = 0;
  while (at < body.length) {
    const next = frameEnd(body, at);
    if (next === undefined || next > body.length) return false;
    at = next;
  }
  return true;
}

/** The end of the frame that begins there; undefined if none does. */
function frameEnd(body: Buffer, begin: number): number | undefined {
  if (begin + 5 > body.length) return undefined;
  const magic = body.readUInt32LE(begin);
  if ((magic & 0xfffffff0) >>> 0 === SKIPPABLE_MAGIC)
    return begin + 8 > body.length ? undefined : begin + 8 + body.readUInt32LE(begin + 4);
  if (magic !== ZSTD_MAGIC) return undefined;
  const descriptor = body[begin + 4] ?? 0;
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const sizeFlag = descriptor >> 6;
  const contentSize = sizeFlag === 0 && isSingleSegment ? 1 : (CONTENT_SIZE_BYTES[sizeFlag] ?? 0);
  let at = begin + 5 + (isSingleSegment ? 0 : 1) + (DICTIONARY_ID_BYTES[descriptor & 3] ?? 0) + contentSize;
  for (let isLast = false; !isLast;) {
    if (at + 3 > body.length) return undefined;
    const header = body.readUIntLE(at, 3);
    const type = (header >> 1) & 3;
    if (type === RESERVED_BLOCK) return undefined;
    isLast = (header & 1) === 1;
    at += 3 + (type === RLE_BLOCK ? 1 : header >> 3);
  }
  return (descriptor & 4) === 0 ? at : at + 4;
}

/** The end of a bzip2 stream: 48 bits that say so, 32 of a checksum, and at most seven that fill the last byte. */
const BZIP2_END = 0x177245385090n;
const BZIP2_TAIL = 11;

function endsAsBzip2(body: Buffer): boolean {
  const tail = body.subarray(-BZIP2_TAIL);
  let bits = 0n;
  for (const byte of tail) bits = (bits << 8n) | BigInt(byte);
  for (let filled = 0n; filled < 8n; filled++)
    if (((bits >> (32n + filled)) & 0xffffffffffffn) === BZIP2_END) return true;
  return false;
}

/** xz allows zeros behind a stream, four at a time: https://tukaani.org/xz/xz-file-format.txt, section 2.2. */
function endsAsXz(body: Buffer): boolean {
  let end = body.length;
  while (end > 4 && body.readUInt32LE(end - 4) === 0) end -= 4;
  return body.subarray(end - 2, end).equals(XZ_FOOTER);
}

const XZ_FOOTER = Buffer.from('YZ');

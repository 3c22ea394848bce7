import { inflateRawSync, zstdDecompressSync } from 'node:zlib';

/**
 * The number of gzip members or zstd frames in these bytes, counted without the program's decoder: by RFC 1952 for what Node
 * writes, a header of ten bytes, and by RFC 8878, block by block.
 */
export function membersOf(bytes: Buffer): number {
  let count = 0;
  for (let at = 0; at < bytes.length; count++)
    at += bytes[at] === 0x1f ? memberAt(bytes, at) : frameAt(bytes, at);
  return count;
}

function memberAt(bytes: Buffer, at: number): number {
  const HEADER = 10;
  const TRAILER = 8;
  const { engine } = inflateRawSync(bytes.subarray(at + HEADER), { info: true }) as unknown as {
    engine: { bytesWritten: number };
  };
  return HEADER + engine.bytesWritten + TRAILER;
}

function frameAt(bytes: Buffer, at: number): number {
  if (bytes.readUInt32LE(at) !== 0xfd2fb528) throw new Error(`No frame at byte ${at}.`);
  const descriptor = bytes[at + 4] ?? 0;
  const single = (descriptor & 0x20) !== 0;
  const sizeBytes = [single ? 1 : 0, 2, 4, 8][descriptor >> 6] ?? 0;
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3] ?? 0;
  let end = at + 5 + (single ? 0 : 1) + dictionaryBytes + sizeBytes;
  for (;;) {
    const header = bytes.readUIntLE(end, 3);
    // A block of one repeated byte is stored as that byte.
    end += 3 + (((header >> 1) & 3) === 1 ? 1 : header >> 3);
    if ((header & 1) === 1) break;
  }
  if ((descriptor & 4) !== 0) end += 4;
  zstdDecompressSync(bytes.subarray(at, end));
  return end - at;
}

import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { seededRandom } from '../random.ts';

export type ChecksumName = 'crc32' | 'crc64';

/** Number and sizes of the objects of a run. Sizes are in bytes and evenly distributed. */
export interface DataSetOptions {
  objects: number;
  minSize: number;
  maxSize: number;
  /** Checksum that the objects were written with: CRC-32 as by SDKs today, or CRC-64/NVME as S3 adds it. */
  checksum: ChecksumName;
}

export interface RawObject {
  key: string;
  bytes: Buffer;
  crc32: number;
  etag: string;
}

const SHARED_SIZE = 16 * 1024 * 1024;
const NEWLINE = 0x0a;
const SEED = 20_261_121;

/**
 * An hour of logs in 16 MiB of memory, however many objects it has: each is a view of the same lines, from a random
 * one to the end of another, so that no newline has to be added. Keys ascend.
 */
export function* rawObjects(options: DataSetOptions, prefix: string): Generator<RawObject> {
  const { objects, minSize, maxSize } = options;
  const random = seededRandom(SEED);
  const lines = logLines(SHARED_SIZE, random);
  for (let index = 0; index < objects; index++) {
    const wanted = Math.floor(minSize + random() * (maxSize - minSize + 1));
    const from = 1 + lines.indexOf(NEWLINE, Math.floor(random() * (lines.length - 2 * maxSize)));
    const bytes = lines.subarray(from, 1 + lines.indexOf(NEWLINE, from + wanted));
    const key = `${prefix}2026-11-21T08-${String(index).padStart(7, '0')}.log`;
    // Not the MD5 of the body, as with objects that S3 encrypts by KMS: no client may rely on it.
    const etag = createHash('md5').update(`${index}:${from}:${bytes.length}`).digest('hex');
    yield { key, bytes, crc32: crc32(bytes), etag };
  }
}

function logLines(size: number, random: () => number): Buffer {
  const lines = Buffer.alloc(size);
  let at = 0;
  while (at < size) {
    const line = JSON.stringify({
      level: random() < 0.9 ? 'INFO' : 'WARN',
      requestId: Math.floor(random() * 2 ** 48).toString(16),
      path: `/checkout/${Math.floor(random() * 1e6)}`,
      durationMs: Math.floor(random() * 900),
      message: 'order accepted',
    });
    at += lines.write(`${line}\n`, at);
  }
  lines[size - 1] = NEWLINE;
  return lines;
}

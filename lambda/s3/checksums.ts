import { createCRC64 } from 'hash-wasm';
import { parseCrc32 } from './conditions.ts';

/** What S3 says of a whole object's bytes: one of the two, from whoever wrote it or, without that, from S3 itself. */
export interface Checksums {
  crc32: number | undefined;
  /** CRC-64/NVME, 16 hex digits. */
  crc64: string | undefined;
}

/** The request header that makes S3 tell its checksums. */
export const CHECKSUM_MODE = { 'x-amz-checksum-mode': 'ENABLED' } as const;

// The polynomial of CRC-64/NVME, reflected. WebAssembly, at twice the speed or more of the SDK's JavaScript.
const crc64nvme = await createCRC64('9a6c9329ac4bc9b5');

/** `crc32` and `crc64nvme` as in S3's `x-amz-checksum-` headers: base64. A checksum of checksums (`…-3`) is none. */
export function parseChecksums(crc32: string | undefined, crc64: string | undefined): Checksums {
  const whole = crc64 !== undefined && /^[A-Za-z0-9+/]{11}=$/.test(crc64);
  return {
    crc32: parseCrc32(crc32),
    crc64: whole ? Buffer.from(crc64, 'base64').toString('hex') : undefined,
  };
}

/** Whether bytes, whose CRC-32 is known, are those that S3 has the checksums of. */
export function matches(bytes: Buffer, crc32: number, expected: Checksums): boolean {
  if (expected.crc32 !== undefined) return expected.crc32 === crc32;
  return expected.crc64 === undefined || crc64nvme.init().update(bytes).digest() === expected.crc64;
}

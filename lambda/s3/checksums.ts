import { type IHasher, createCRC64 } from 'hash-wasm';
import { parseCrc32 } from './conditions.ts';

/**
 * The checksums that S3 has of a whole object. Mostly there is one: the CRC-32 that its writer gave, otherwise the
 * CRC-64/NVME that S3 computed itself.
 */
export interface Checksums {
  crc32: number | undefined;
  /** CRC-64/NVME, 16 hex digits. */
  crc64: string | undefined;
}

/** The request header that makes S3 send its checksums along. */
export const CHECKSUM_MODE = { 'x-amz-checksum-mode': 'ENABLED' } as const;

/** The polynomial of CRC-64/NVME, reflected. */
const CRC64_NVME = '9a6c9329ac4bc9b5';
/**
 * WebAssembly, at twice the speed or more of the SDK's JavaScript. It is loaded for the first object that needs it, and not with
 * this module: one that waits where it is loaded cannot be required by CommonJS.
 */
let crc64nvme: IHasher | undefined;

/**
 * Reads S3's `x-amz-checksum-crc32` and `x-amz-checksum-crc64nvme`: base64 of the bytes. A checksum of checksums (`…-3`) is
 * not one of the whole object, and is left out.
 */
export function parseChecksums(crc32: string | undefined, crc64: string | undefined): Checksums {
  const whole = crc64 !== undefined && /^[A-Za-z0-9+/]{11}=$/.test(crc64);
  return {
    crc32: parseCrc32(crc32),
    crc64: whole ? Buffer.from(crc64, 'base64').toString('hex') : undefined,
  };
}

/**
 * True where bytes have the checksums that S3 has of the object, or where S3 has none.
 *
 * @param crc32 of `bytes`
 */
export async function matches(bytes: Buffer, crc32: number, expected: Checksums): Promise<boolean> {
  if (expected.crc32 !== undefined) return expected.crc32 === crc32;
  if (expected.crc64 === undefined) return true;
  crc64nvme ??= await createCRC64(CRC64_NVME);
  return crc64nvme.init().update(bytes).digest() === expected.crc64;
}

import type { CompletedPart } from '@aws-sdk/client-s3';
import { type Checksum, crcBy, isSame } from '../rollup/model/checksum/checksum.ts';

/** The request header that makes S3 send its checksum along. */
export const CHECKSUM_MODE = { 'x-amz-checksum-mode': 'ENABLED' } as const;

/** The checksums of an object as S3's answers have them: base64 of the bytes. */
export interface StatedChecksums {
  ChecksumCRC32?: string | undefined;
  ChecksumCRC64NVME?: string | undefined;
}

/**
 * Reads the checksum that S3 has of a whole object: the CRC-32 that its writer gave, otherwise the CRC-64/NVME that S3 computed
 * itself. A checksum of checksums (`…-3`) is not one of the whole object. Undefined where there is none of these.
 */
export function parseChecksum({ ChecksumCRC32, ChecksumCRC64NVME }: StatedChecksums): Checksum | undefined {
  const crc32 = parseBytes(ChecksumCRC32, 4);
  if (crc32 !== undefined) return { algorithm: 'crc32', digits: crc32 };
  const crc64 = parseBytes(ChecksumCRC64NVME, 8);
  return crc64 === undefined ? undefined : { algorithm: 'crc64nvme', digits: crc64 };
}

/** Returns the hex digits of so many bytes in base64; undefined for anything else. */
function parseBytes(base64: string | undefined, length: number): string | undefined {
  if (base64 === undefined) return undefined;
  const bytes = Buffer.from(base64, 'base64');
  return bytes.length === length && bytes.toString('base64') === base64 ? bytes.toString('hex') : undefined;
}

/** Parameters of a request that sends bytes, or names a part, with their checksum. */
export function checksumParams({
  algorithm,
  digits,
}: Checksum): Pick<CompletedPart, 'ChecksumCRC32' | 'ChecksumCRC64NVME'> {
  const base64 = Buffer.from(digits, 'hex').toString('base64');
  return algorithm === 'crc32' ? { ChecksumCRC32: base64 } : { ChecksumCRC64NVME: base64 };
}

/** The parameter that names the algorithm of an upload. */
export function algorithmParam({ algorithm }: Pick<Checksum, 'algorithm'>): {
  ChecksumAlgorithm: 'CRC32' | 'CRC64NVME';
} {
  return { ChecksumAlgorithm: algorithm === 'crc32' ? 'CRC32' : 'CRC64NVME' };
}

/** True where bytes have a checksum. */
export async function hasChecksum(bytes: Buffer, checksum: Checksum): Promise<boolean> {
  return isSame((await crcBy(checksum.algorithm)).of(bytes), checksum);
}

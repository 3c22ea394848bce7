import { crc32 } from 'node:zlib';
import { type Checksum, asCrc32, crcBy } from '../../lambda/rollup/model/checksum/checksum.ts';

/** The CRC-32 of bytes. */
export function crc32Of(bytes: Uint8Array | string): Checksum {
  return asCrc32(crc32(bytes));
}

const CRC64NVME = await crcBy('crc64nvme');

/** The CRC-64/NVME of bytes, which S3 gives an object that comes without a checksum. */
export function crc64Of(bytes: Uint8Array | string): Checksum {
  return CRC64NVME.of(Buffer.from(bytes));
}

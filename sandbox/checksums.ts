import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { createCRC32, createCRC64, type IHasher } from 'hash-wasm';
import { S3Error } from './http/s3-error.ts';

export const ALGORITHMS = ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'] as const;
export type ChecksumAlgorithm = (typeof ALGORITHMS)[number];
export type ChecksumType = 'FULL_OBJECT' | 'COMPOSITE';

/** A checksum. Its value is as in the header: base64, and for a composite one followed by `-<number of parts>`. */
export interface Checksum {
  algorithm: ChecksumAlgorithm;
  type: ChecksumType;
  value: string;
}

export interface Digest {
  update(bytes: Uint8Array): void;
  digest(): Buffer;
}

const BYTES: Record<ChecksumAlgorithm, number> = { CRC32: 4, CRC32C: 4, CRC64NVME: 8, SHA1: 20, SHA256: 32 };

class Crc32Digest implements Digest {
  #crc = 0;

  update(bytes: Uint8Array): void {
    this.#crc = crc32(bytes, this.#crc);
  }

  digest(): Buffer {
    const value = Buffer.alloc(4);
    value.writeUInt32BE(this.#crc);
    return value;
  }
}

// hash-wasm names CRCs by their reflected polynomials. Each instance has its own WebAssembly memory, so it is made
// once.
const CRC32C = await createCRC32(0x82f63b78);
const CRC64NVME = await createCRC64('9a6c9329ac4bc9b5');

/**
 * One of many digests that share a hasher. Its state, a dozen bytes, is loaded before each update and saved after it.
 */
class SharedDigest implements Digest {
  readonly #hasher: IHasher;
  #state: Uint8Array;

  constructor(hasher: IHasher) {
    this.#hasher = hasher;
    this.#state = hasher.init().save();
  }

  update(bytes: Uint8Array): void {
    this.#state = this.#hasher.load(this.#state).update(bytes).save();
  }

  digest(): Buffer {
    return Buffer.from(this.#hasher.load(this.#state).digest('binary'));
  }
}

export function createDigest(algorithm: ChecksumAlgorithm): Digest {
  switch (algorithm) {
    case 'CRC32':
      return new Crc32Digest();
    case 'CRC32C':
      return new SharedDigest(CRC32C);
    case 'CRC64NVME':
      return new SharedDigest(CRC64NVME);
    case 'SHA1':
    case 'SHA256':
      return createHash(algorithm.toLowerCase());
  }
}

export function checksumHeader(algorithm: ChecksumAlgorithm): string {
  return `x-amz-checksum-${algorithm.toLowerCase()}`;
}

/** The algorithm that a header such as `x-amz-checksum-crc32` names. */
export function parseAlgorithm(name: string): ChecksumAlgorithm {
  const algorithm = ALGORITHMS.find((known) => known === name.toUpperCase());
  if (algorithm) return algorithm;
  throw new S3Error(
    'InvalidRequest',
    `The algorithm type you specified in ${name} is not one of ${ALGORITHMS.join(', ')}`,
  );
}

/** Returns a checksum's value if it has the right length and encoding. Throws `InvalidRequest`, as S3 does. */
export function checkValue(algorithm: ChecksumAlgorithm, value: string): string {
  const bytes = Buffer.from(value, 'base64');
  if (bytes.length !== BYTES[algorithm] || bytes.toString('base64') !== value) {
    throw new S3Error('InvalidRequest', `Value for ${checksumHeader(algorithm)} header is invalid.`);
  }
  return value;
}

function isCrc(algorithm: ChecksumAlgorithm): algorithm is CrcName {
  return algorithm.startsWith('CRC');
}

/** The checksum type of an upload, from the headers of its creation. Throws for pairs that S3 refuses. */
export function checksumType(algorithm: ChecksumAlgorithm, asked: string | undefined): ChecksumType {
  const type = asked ?? (algorithm === 'CRC64NVME' ? 'FULL_OBJECT' : 'COMPOSITE');
  if (type !== 'FULL_OBJECT' && type !== 'COMPOSITE') {
    throw new S3Error('InvalidRequest', 'Value for x-amz-checksum-type header is invalid.');
  }
  if (type === 'FULL_OBJECT' ? !isCrc(algorithm) : algorithm === 'CRC64NVME') {
    throw new S3Error(
      'InvalidRequest',
      `The ${type} checksum type cannot be used with the ${algorithm.toLowerCase()} checksum algorithm.`,
    );
  }
  return type;
}

const POLYNOMIALS = {
  CRC32: { bits: 32n, polynomial: 0xedb88320n },
  CRC32C: { bits: 32n, polynomial: 0x82f63b78n },
  CRC64NVME: { bits: 64n, polynomial: 0x9a6c9329ac4bc9b5n },
};

type CrcName = keyof typeof POLYNOMIALS;

/** The CRC of A followed by B, from crc(A), crc(B) and the length of B; zlib's crc32_combine for any width. */
function combineCrc(name: CrcName, first: bigint, second: bigint, secondLength: number): bigint {
  const { bits, polynomial } = POLYNOMIALS[name];
  const one = 1n << (bits - 1n);
  const multiply = (a: bigint, b: bigint): bigint => {
    let product = 0n;
    for (let mask = one; mask > 0n; mask >>= 1n) {
      if (a & mask) product ^= b;
      b = b & 1n ? (b >> 1n) ^ polynomial : b >> 1n;
    }
    return product;
  };
  let shift = one;
  // x^8, x^16, x^32 and so on: one factor for each bit of the length in bytes.
  let power = one >> 8n;
  for (let rest = BigInt(secondLength); rest > 0n; rest >>= 1n) {
    if (rest & 1n) shift = multiply(shift, power);
    power = multiply(power, power);
  }
  return multiply(shift, first) ^ second;
}

/** The checksum of an object from those of its parts, in order. */
export function combineParts(
  algorithm: ChecksumAlgorithm,
  type: ChecksumType,
  parts: { value: string; size: number }[],
): Checksum {
  const digests = parts.map(({ value, size }) => ({ bytes: Buffer.from(value, 'base64'), size }));
  if (type === 'COMPOSITE' || !isCrc(algorithm)) {
    const digest = createDigest(algorithm);
    for (const { bytes } of digests) digest.update(bytes);
    return { algorithm, type: 'COMPOSITE', value: `${digest.digest().toString('base64')}-${parts.length}` };
  }
  let crc = 0n;
  for (const { bytes, size } of digests) {
    crc = combineCrc(algorithm, crc, BigInt(`0x${bytes.toString('hex')}`), size);
  }
  const hex = crc.toString(16).padStart(BYTES[algorithm] * 2, '0');
  return { algorithm, type: 'FULL_OBJECT', value: Buffer.from(hex, 'hex').toString('base64') };
}

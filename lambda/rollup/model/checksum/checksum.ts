import { combineCrc32, crc32 } from './crc32.ts';
import { combineCrc64, loadCrc64 } from './crc64nvme.ts';

/**
 * The algorithms of whole objects' checksums that are computed and combined here, by the names of a manifest's fields. S3 gives
 * an object the CRC-64/NVME where its writer gave it no checksum.
 */
export const ALGORITHMS = ['crc32', 'crc64nvme'] as const;
export type Algorithm = (typeof ALGORITHMS)[number];

/** A checksum: lower-case hex digits, 8 of a CRC-32 and 16 of a CRC-64/NVME. */
export interface Checksum {
  readonly algorithm: Algorithm;
  readonly digits: string;
}

/** Computes checksums by one algorithm, and combines them. */
export interface Crc {
  readonly algorithm: Algorithm;
  /** The checksum of no bytes. */
  readonly none: Checksum;
  of(bytes: Uint8Array): Checksum;
  /** The checksum of two byte strings joined. `secondLength`: bytes of the second. */
  combine(first: Checksum, second: Checksum, secondLength: number): Checksum;
}

/** How an algorithm is written in texts. */
const NAMES: Record<Algorithm, string> = { crc32: 'CRC-32', crc64nvme: 'CRC-64/NVME' };

/** Loads an algorithm. */
export async function crcBy(algorithm: Algorithm): Promise<Crc> {
  if (algorithm === 'crc32') return CRC32;
  const computed = await loadCrc64();
  const checksum = (digits: string): Checksum => ({ algorithm, digits });
  return {
    algorithm,
    none: checksum('0'.repeat(16)),
    of: (bytes) => checksum(computed(bytes)),
    combine: (first, second, length) => checksum(combineCrc64(first.digits, second.digits, length)),
  };
}

/** A CRC-32 as a checksum. */
export function asCrc32(value: number): Checksum {
  return { algorithm: 'crc32', digits: formatCrc32(value) };
}

/** A CRC-32 as 8 hex digits. */
export function formatCrc32(value: number): string {
  return (value >>> 0).toString(16).padStart(8, '0');
}

const CRC32: Crc = {
  algorithm: 'crc32',
  none: asCrc32(0),
  of: (bytes) => asCrc32(crc32(bytes)),
  combine: (first, second, length) => asCrc32(combineCrc32(parse(first), parse(second), length)),
};

function parse({ digits }: Checksum): number {
  return Number.parseInt(digits, 16);
}

/** True for checksums of the same algorithm and value. */
export function isSame(a: Checksum | undefined, b: Checksum | undefined): boolean {
  return a !== undefined && a.algorithm === b?.algorithm && a.digits === b.digits;
}

/** A checksum as messages tell it: `CRC-32 3f2a9c1b`. */
export function formatChecksum({ algorithm, digits }: Checksum): string {
  return `${NAMES[algorithm]} ${digits}`;
}

/** A checksum as a manifest has it: a field with the name of its algorithm. */
export type ChecksumField = { crc32: string } | { crc64nvme: string };

/** Returns the field of a manifest for a checksum. */
export function fieldOf({ algorithm, digits }: Checksum): ChecksumField {
  return algorithm === 'crc32' ? { crc32: digits } : { crc64nvme: digits };
}

/** The checksum of an output in a manifest, which has one. */
export function checksumOf({
  crc32: crc = '',
  crc64nvme,
}: Partial<Record<Algorithm, string | undefined>>): Checksum {
  return crc64nvme === undefined
    ? { algorithm: 'crc32', digits: crc }
    : { algorithm: 'crc64nvme', digits: crc64nvme };
}

/** The checksum of bytes that come in chunks. */
export class RunningChecksum {
  readonly #crc: Crc;
  value: Checksum;

  constructor(crc: Crc) {
    this.#crc = crc;
    this.value = crc.none;
  }

  /** `known`: the chunk's checksum, if one is known; it is computed where it is of another algorithm. */
  add(chunk: Buffer, known?: Checksum): void {
    const own = known?.algorithm === this.#crc.algorithm ? known : this.#crc.of(chunk);
    this.value = this.#crc.combine(this.value, own, chunk.length);
  }
}

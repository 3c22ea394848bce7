import { setImmediate } from 'node:timers/promises';
import { type Algorithm, type Checksum, type Crc, crcBy, isSame } from '../model/checksum/checksum.ts';
import type { CommittedSource } from '../model/manifest.ts';
import type { PlannedOutput } from '../model/output.ts';
import { otherBytes } from '../model/checksum/stored-checksum.ts';

/** The sources of an output where they lie in it, and the checksums that they arrived with. */
export interface Arrived {
  body: Buffer;
  sources: readonly CommittedSource[];
  /** Those that S3 has of the sources, or else CRC-32s of their bytes. */
  checksums: readonly Checksum[];
  /** True if those of S3 were taken for those of the bytes, which nobody has looked at. */
  trusted: boolean;
}

/**
 * The algorithm of an output's checksum: the CRC-64/NVME where S3 has it of most bytes of the sources, and verifies uploads by
 * it. Otherwise it would have to be computed.
 */
export function algorithmFor(
  arrived: readonly Checksum[],
  { pieces, size }: PlannedOutput,
  verified: ReadonlySet<Algorithm>,
): Algorithm {
  const crc64 = pieces.reduce(
    (sum, { source }, i) => sum + (arrived[i]?.algorithm === 'crc64nvme' ? source.size : 0),
    0,
  );
  return crc64 > size / 2 && verified.has('crc64nvme') ? 'crc64nvme' : 'crc32';
}

/**
 * The checksums of sources by one algorithm: those that they arrived with, or else computed. Throws `ChecksumMismatch` for a
 * source of which another is computed, if its bytes do not have the one that was trusted.
 */
export async function inAlgorithm(
  crc: Crc,
  { body, sources, checksums, trusted }: Arrived,
): Promise<Checksum[]> {
  const own: Checksum[] = [];
  for (const [i, checksum] of checksums.entries()) {
    if (checksum.algorithm === crc.algorithm) {
      own.push(checksum);
      continue;
    }
    // Other downloads and uploads have their turn in between.
    await setImmediate();
    const { key, offset, length } = sources[i] as CommittedSource;
    const bytes = body.subarray(offset, offset + length);
    const found = trusted ? (await crcBy(checksum.algorithm)).of(bytes) : checksum;
    if (!isSame(found, checksum)) throw otherBytes(key);
    own.push(crc.of(bytes));
  }
  return own;
}

/** Sources whose bytes do not have the checksums that they arrived with; none where the bytes were looked at. */
export async function damagedOf({ body, sources, checksums, trusted }: Arrived): Promise<CommittedSource[]> {
  if (!trusted) return [];
  const crcs = await Promise.all(checksums.map(({ algorithm }) => crcBy(algorithm)));
  return sources.filter(
    ({ offset, length }, i) => !isSame(crcs[i]?.of(body.subarray(offset, offset + length)), checksums[i]),
  );
}

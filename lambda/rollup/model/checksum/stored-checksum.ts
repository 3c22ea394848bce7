import { RollupError } from '../../../errors.ts';
import { type Algorithm, type Checksum, RunningChecksum, crcBy } from './checksum.ts';
import type { ReadFrom, Store } from '../store.ts';

/**
 * The checksum of an object: the one that S3 holds, where it holds that, or else that of its bytes, all of which are read.
 *
 * @param from the bytes that are read, pinned to their ETag
 * @param head what S3 said of the object; without a checksum where it holds none, or where `from` is a range
 * @param signal ends the read
 * @throws RollupError as `Store.stream` does
 */
export async function checksumOfObject(
  store: Store,
  from: ReadFrom,
  head: { checksum?: Checksum | undefined } | undefined,
  algorithm: Algorithm,
  signal: AbortSignal,
): Promise<Checksum> {
  if (head?.checksum?.algorithm === algorithm) return head.checksum;
  return checksumOfBytes([{ store, from }], algorithm, signal);
}

/** The checksum of bytes that lie one behind another, all of which are read. Throws as `Store.stream` does. */
export async function checksumOfBytes(
  origins: { store: Store; from: ReadFrom }[],
  algorithm: Algorithm,
  signal: AbortSignal,
): Promise<Checksum> {
  const sum = new RunningChecksum(await crcBy(algorithm));
  for (const { store, from } of origins) for await (const chunk of store.stream(from, signal)) sum.add(chunk);
  return sum.value;
}

/** The error of an object whose bytes arrived with another checksum than S3 has of it. */
export function otherBytes(key: string, cause?: unknown): RollupError {
  const message = `${key} arrived with another checksum than S3 has for it.`;
  return new RollupError('ChecksumMismatch', message, { key, cause });
}

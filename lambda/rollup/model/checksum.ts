import { RollupError } from '../../errors.ts';
import { crc32 } from './crc32.ts';
import type { ObjectHead, ReadFrom, Store } from './store.ts';

/**
 * The CRC-32 of an object: the one that S3 holds, where it holds one, or else that of its bytes, all of which are read.
 *
 * @param from the bytes that are read, pinned to their ETag
 * @param head what S3 said of the object; without a CRC-32 where it holds none, or where `from` is a range
 * @param signal ends the read
 * @throws RollupError as `Store.stream` does
 */
export async function crc32OfObject(
  store: Store,
  from: ReadFrom,
  head: Pick<ObjectHead, 'crc32'> | undefined,
  signal: AbortSignal,
): Promise<number> {
  if (head?.crc32 !== undefined) return head.crc32;
  let crc = 0;
  for await (const chunk of store.stream(from, signal)) crc = crc32(chunk, crc);
  return crc;
}

/** The error of an object whose bytes arrived with another checksum than S3 has of it. */
export function otherBytes(key: string, cause?: unknown): RollupError {
  const message = `${key} arrived with another checksum than S3 has for it.`;
  return new RollupError('ChecksumMismatch', message, { key, cause });
}

import { setTimeout as delay } from 'node:timers/promises';
import { hasCode } from '../errors.ts';
import { crc32OfObject } from '../rollup/model/checksum.ts';
import type { ObjectAt } from '../rollup/model/location.ts';
import type { ObjectHead, Store } from '../rollup/model/store.ts';
import { toRollupError } from './errors.ts';
import { backoff } from './client/retry.ts';

/** Writes of one object, where S3 says that it is being written by somebody else. */
const ATTEMPTS = 3;
const CONFLICT_DELAY_MS = 200;

export interface Once {
  /** What an earlier run, or the lost first answer to a request, may have left there: then it stays as it is. */
  isOurs: (standing: ObjectHead) => boolean | Promise<boolean>;
  /** `If-None-Match: *`, unless what is there is to be replaced. */
  write: (condition: { IfNoneMatch?: string }) => Promise<ObjectHead>;
}

/**
 * Writes an object that nobody else may have written already. One that is there and ours is left as it is: it may be
 * committed under the ETag that it has. What has the key of these bytes and is something else is of no use to anybody.
 */
export async function writeOnce(store: Store, at: ObjectAt, { isOurs, write }: Once): Promise<ObjectHead> {
  let overwrite = false;
  for (let attempt = 1; ; attempt++) {
    try {
      return await write(overwrite ? {} : { IfNoneMatch: '*' });
    } catch (error) {
      const failed = toRollupError(error, { operation: 'Upload', ...at });
      if (!hasCode(failed, 'NoSuchUpload', 'PreconditionFailed', 'Conflict')) throw failed;
      // Where our own answer was lost, the upload may be no more because it is done.
      const standing = await findOurs(store, at, isOurs);
      if (standing !== undefined) return standing;
      if (hasCode(failed, 'NoSuchUpload') || attempt === ATTEMPTS) throw failed;
      overwrite = hasCode(failed, 'PreconditionFailed');
      if (!overwrite) await delay(backoff(CONFLICT_DELAY_MS, attempt));
    }
  }
}

/** What stands there, if it is ours. It may be replaced while its bytes are looked at: then it is looked at anew. */
async function findOurs(store: Store, at: ObjectAt, isOurs: Once['isOurs']): Promise<ObjectHead | undefined> {
  for (let attempt = 1; ; attempt++) {
    const standing = await store.head(at);
    try {
      return standing !== undefined && (await isOurs(standing)) ? standing : undefined;
    } catch (error) {
      if (attempt === ATTEMPTS || !hasCode(error, 'SourceChanged', 'SourceVanished')) throw error;
    }
  }
}

/** Whether an object has these bytes, by its size and its CRC-32: the one that S3 has of it, or that of its bytes. */
export async function holds(
  store: Store,
  at: ObjectAt,
  standing: ObjectHead,
  bytes: { size: number; crc32: number },
  signal: AbortSignal,
): Promise<boolean> {
  if (standing.size !== bytes.size) return false;
  const from = { bucket: at.bucket, key: at.key, etag: standing.etag };
  return (await crc32OfObject(store, from, standing, signal)) === bytes.crc32;
}

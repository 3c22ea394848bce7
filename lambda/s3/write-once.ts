import { setTimeout as delay } from 'node:timers/promises';
import { type RollupError, hasCode } from '../errors.ts';
import { type Checksum, isSame } from '../rollup/model/checksum/checksum.ts';
import type { ObjectAt } from '../rollup/model/location.ts';
import type { ObjectHead, Store } from '../rollup/model/store.ts';
import { checksumOfObject } from '../rollup/model/checksum/stored-checksum.ts';
import { quoteEtag } from './conditions.ts';
import { toRollupError } from './errors.ts';
import { backoff } from './client/retry.ts';

/** Writes of one object, the first included, where S3 answers that another request writes it at the same time. */
const ATTEMPTS = 3;
const CONFLICT_DELAY_MS = 200;

/** Only if there is no such object, or only if it still has this ETag. */
export type OnceCondition = { IfNoneMatch: '*' } | { IfMatch: string };

/** A conditional write. */
export interface Once {
  /** Ends the wait before another attempt. */
  signal: AbortSignal;
  /**
   * True for an existing object that is to be kept: an earlier run may have written it, or a request of this one whose answer
   * was lost.
   */
  isOurs: (existing: ObjectHead) => boolean | Promise<boolean>;
  /** Writes the object. The condition is `If-None-Match: *`, or `If-Match` to replace the object that was examined. */
  write: (condition: OnceCondition) => Promise<ObjectHead>;
  /**
   * True for a failure after which `write` may be called again.
   *
   * @defaultValue all but `NoSuchUpload`
   */
  mayRepeat?: (error: RollupError) => boolean;
}

/** Failures after which another run's object, or our own, may be there, or nothing at all. */
const TO_EXAMINE = [
  'NoSuchUpload',
  'PreconditionFailed',
  'Conflict',
  'SourceVanished',
  'OutputMissing',
] as const;

/**
 * Writes an object that may exist already. An existing one that is ours is kept, because it may be committed under its ETag.
 * Another is replaced: the key is a digest of these bytes, so an object that has others is of no use to anybody. It is
 * replaced only as it was examined: another run may have replaced it, and committed what it wrote.
 *
 * @returns the object that was written or kept
 */
export async function writeOnce(store: Store, at: ObjectAt, once: Once): Promise<ObjectHead> {
  const { signal, isOurs, write, mayRepeat = (error) => !hasCode(error, 'NoSuchUpload') } = once;
  let condition: OnceCondition = { IfNoneMatch: '*' };
  for (let attempt = 1; ; attempt++) {
    try {
      return await write(condition);
    } catch (error) {
      const failed = toRollupError(error, { operation: 'Upload', ...at });
      if (!hasCode(failed, ...TO_EXAMINE)) throw failed;
      // After a lost answer an upload does not exist any more because it is complete.
      const { existing, isKept } = await examine(store, at, isOurs);
      if (existing !== undefined && isKept) return existing;
      if (!mayRepeat(failed) || attempt === ATTEMPTS) throw failed;
      condition = existing === undefined ? { IfNoneMatch: '*' } : { IfMatch: quoteEtag(existing.etag) };
      if (hasCode(failed, 'Conflict'))
        await delay(backoff(CONFLICT_DELAY_MS, attempt), undefined, { signal });
    }
  }
}

/** The existing object, and whether it is ours. If it is replaced while its bytes are read, the new one is examined. */
async function examine(
  store: Store,
  at: ObjectAt,
  isOurs: Once['isOurs'],
): Promise<{ existing: ObjectHead | undefined; isKept: boolean }> {
  for (let attempt = 1; ; attempt++) {
    const existing = await store.head(at);
    try {
      return { existing, isKept: existing !== undefined && (await isOurs(existing)) };
    } catch (error) {
      if (attempt === ATTEMPTS || !hasCode(error, 'SourceChanged', 'SourceVanished')) throw error;
    }
  }
}

/** True where an object has these bytes, by its size and its checksum: that in its headers, otherwise that of its bytes. */
export async function holds(
  store: Store,
  at: ObjectAt,
  existing: ObjectHead,
  bytes: { size: number; checksum: Checksum },
  signal: AbortSignal,
): Promise<boolean> {
  if (existing.size !== bytes.size) return false;
  const from = { bucket: at.bucket, key: at.key, etag: existing.etag };
  const { checksum } = bytes;
  return isSame(await checksumOfObject(store, from, existing, checksum.algorithm, signal), checksum);
}

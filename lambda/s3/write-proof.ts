import { randomBytes } from 'node:crypto';
import { RollupError } from '../errors.ts';
import type { Location } from '../rollup/model/location.ts';
import { DELETE_PROOF_NAME, type Store } from '../rollup/model/store.ts';

/** An ETag that no object has. */
const OTHER_ETAG = '0'.repeat(32);

/**
 * Finds out by trial if a store refuses a write whose condition does not hold: by one PUT of an empty
 * object, `If-Match` an ETag, under a key that has no object. Amazon S3 answers 404:
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
 *
 * @returns false if the object was written all the same; it is deleted then. True also where the request fails for another
 *   reason: nothing speaks against the store
 */
export async function keepsConditions(store: Store, { bucket, prefix }: Location): Promise<boolean> {
  const key = `${prefix}${DELETE_PROOF_NAME}${randomBytes(6).toString('hex')}`;
  try {
    await store.put({ bucket, key }, Buffer.alloc(0), 'application/octet-stream', { etag: OTHER_ETAG });
  } catch (error) {
    if (error instanceof RollupError) return true;
    throw error;
  }
  await store.delete(bucket, [key]);
  return false;
}

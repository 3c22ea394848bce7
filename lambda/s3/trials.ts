import { randomBytes } from 'node:crypto';
import type { S3Client } from '@aws-sdk/client-s3';
import { RollupError } from '../errors.ts';
import type { Location } from '../rollup/model/location.ts';
import { DELETE_PROOF_NAME, type Store } from '../rollup/model/store.ts';
import { deleteOneUnchanged } from './delete.ts';

/** An ETag that no object has: the MD5 that it would be is not that of an empty object, nor of anything known. */
const OTHER_ETAG = '0'.repeat(32);

/**
 * Finds out by trial if a store keeps an object that is to be deleted on the condition of another ETag. Some stores ignore
 * the condition (MinIO in both requests, versitygw in DeleteObjects), answer that all is well, and the object is gone.
 *
 * It writes one empty object of our own under the prefix, which no run takes for a source because it is empty, asks for its
 * deletion by either request with an ETag that it does not have, looks if it is still there, and deletes it: a PUT, a HEAD
 * and three deletes, of which S3 charges the first two.
 *
 * @throws RollupError of a request that fails: then nothing is proven
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-deletes.html
 */
export async function keepsChanged(
  store: Store,
  client: S3Client,
  { bucket, prefix }: Location,
  signal: AbortSignal,
): Promise<boolean> {
  const key = keyOfTrial(prefix);
  const target = { key, etag: OTHER_ETAG };
  await store.put({ bucket, key }, Buffer.alloc(0), 'application/octet-stream');
  try {
    await store.deleteUnchanged(bucket, [target], signal);
    await deleteOneUnchanged(client, bucket, target, signal);
    return (await store.head({ bucket, key })) !== undefined;
  } finally {
    await store.delete(bucket, [key]);
  }
}

/**
 * Finds out by trial if a store refuses a write whose condition does not hold: by one PUT of an empty
 * object, `If-Match` an ETag, under a key that has no object. Amazon S3 answers 404:
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
 *
 * @returns false if the object was written all the same; it is deleted then. True also where the request fails for another
 *   reason: nothing speaks against the store
 */
export async function keepsConditions(store: Store, { bucket, prefix }: Location): Promise<boolean> {
  const key = keyOfTrial(prefix);
  try {
    await store.put({ bucket, key }, Buffer.alloc(0), 'application/octet-stream', { etag: OTHER_ETAG });
  } catch (error) {
    if (error instanceof RollupError) return true;
    throw error;
  }
  await store.delete(bucket, [key]);
  return false;
}

/** A key that nobody else writes. */
function keyOfTrial(prefix: string): string {
  return `${prefix}${DELETE_PROOF_NAME}${randomBytes(6).toString('hex')}`;
}

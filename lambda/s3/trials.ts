import { randomBytes } from 'node:crypto';
import {
  type CompletedPart,
  PutObjectCommand,
  type S3Client,
  S3ServiceException,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { RollupError, hasCode } from '../errors.ts';
import type { Location } from '../rollup/model/location.ts';
import { DELETE_PROOF_NAME, type Store, type WriteCondition } from '../rollup/model/store.ts';
import { type Algorithm, crcBy, isSame } from '../rollup/model/checksum/checksum.ts';
import type { accessParams } from './attributes.ts';
import { algorithmParam, checksumParams } from './checksums.ts';
import { deleteKeys, deleteOneUnchanged } from './delete.ts';
import { toRollupError } from './errors.ts';
import { withGrace } from './grace.ts';
import { inParts } from './multipart.ts';
import { PART_MS } from './client/timeouts.ts';
import { SMALLEST_PART } from '../settings/settings.ts';

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
    await removeTrial(client, bucket, key, signal);
  }
}

/** Failures that say nothing of a store: the request was not carried out. */
const UNANSWERED = ['Aborted', 'EndpointUnreachable', 'Timeout', 'SlowDown'] as const;

/**
 * Finds out by trial if a store refuses writes whose condition does not hold: it writes an empty object of our own under the
 * prefix, asks for it to be written again if there is none (`If-None-Match: *`, as the first commit of an hour does), and if
 * there is one with another ETag (`If-Match`, as later commits do), and deletes it. Amazon S3 answers both with 412:
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
 *
 * @returns false if the object was written all the same. True also where it cannot be written at all, or where the store
 *   refuses conditions as such: nothing speaks against it
 * @throws RollupError where a request was not answered
 */
export async function keepsConditions(
  store: Store,
  client: S3Client,
  { bucket, prefix }: Location,
  signal: AbortSignal,
): Promise<boolean> {
  const key = keyOfTrial(prefix);
  const isWritten = async (condition?: WriteCondition): Promise<boolean> => {
    try {
      await store.put({ bucket, key }, Buffer.alloc(0), 'application/octet-stream', condition);
      return true;
    } catch (error) {
      if (!(error instanceof RollupError) || hasCode(error, ...UNANSWERED) || isServerFault(error))
        throw error;
      return false;
    }
  };
  try {
    if (!(await isWritten())) return true;
    return !(await isWritten('absent')) && !(await isWritten({ etag: OTHER_ETAG }));
  } finally {
    // Who may write, and not delete, learns what the trial has shown all the same.
    await removeTrial(client, bucket, key, signal).catch(() => undefined);
  }
}

/**
 * Finds out by trial if a store refuses bytes that do not have the checksum that they are sent with: as an object, of no bytes,
 * and as a part of an upload, which is aborted. Both go under a key of our own; the object is deleted if it was written.
 *
 * @param options `access`: encryption and ACL, without which a bucket may refuse every write
 * @returns false where one of them was taken, and where nothing was proven
 * @throws what the signal was aborted with, where that ended the trial
 */
export async function verifiesUploads(
  client: S3Client,
  { bucket, prefix }: Location,
  { access, algorithm }: { access: ReturnType<typeof accessParams>; algorithm: Algorithm },
  signal: AbortSignal,
): Promise<boolean> {
  const key = keyOfTrial(prefix);
  const target = { Bucket: bucket, Key: key };
  const wrong = checksumParams((await crcBy(algorithm)).of(Buffer.from('others')));
  const isRefused = async (sent: Promise<unknown>, operation: string): Promise<boolean> => {
    try {
      await sent;
      return false;
    } catch (error) {
      return hasCode(toRollupError(error, { operation, bucket, key }), 'ChecksumMismatch');
    }
  };
  const options = { abortSignal: signal };
  const object = new PutObjectCommand({ ...target, ...access, ...wrong, Body: Buffer.alloc(0) });
  if (!(await isRefused(client.send(object, options), 'PutObject'))) {
    await removeTrial(client, bucket, key, signal).catch(() => undefined);
    signal.throwIfAborted();
    return false;
  }
  const open = { ...target, ...access, ...algorithmParam({ algorithm }) };
  const isPartRefused = await inParts(client, open, { signal, completeMs: PART_MS }, ({ upload }) => {
    const part = { ...upload, ...wrong, PartNumber: 1, Body: Buffer.from('bytes') };
    return isRefused(client.send(new UploadPartCommand(part), options), 'UploadPart');
  }).catch(() => false);
  if (!isPartRefused) signal.throwIfAborted();
  return isPartRefused;
}

/**
 * Finds out by trial if a store gives an object of two parts, the smallest that S3 allows, the CRC-64/NVME of the whole: some
 * verify those of the parts, and then refuse the completion, or tell another one. The object is deleted.
 *
 * @returns false also where nothing was proven
 * @throws what the signal was aborted with, where that ended the trial
 */
export async function joinsParts(
  store: Store,
  client: S3Client,
  { bucket, prefix }: Location,
  access: ReturnType<typeof accessParams>,
  signal: AbortSignal,
): Promise<boolean> {
  const key = keyOfTrial(prefix);
  const crc = await crcBy('crc64nvme');
  const bodies = [Buffer.alloc(SMALLEST_PART), Buffer.from('the end')];
  const whole = crc.of(Buffer.concat(bodies));
  const begin = { Bucket: bucket, Key: key, ...access, ...algorithmParam(crc) };
  try {
    await inParts(client, begin, { signal, completeMs: PART_MS }, async ({ upload, complete }) => {
      const parts: CompletedPart[] = [];
      for (const [i, Body] of bodies.entries()) {
        const part = { PartNumber: i + 1, ...checksumParams(crc.of(Body)) };
        const command = new UploadPartCommand({ ...upload, ...part, Body });
        const { ETag } = await client.send(command, { abortSignal: signal });
        parts.push({ ...part, ETag });
      }
      return complete(parts, checksumParams(whole));
    });
    return isSame((await store.head({ bucket, key }))?.checksum, whole);
  } catch {
    signal.throwIfAborted();
    return false;
  } finally {
    await removeTrial(client, bucket, key, signal).catch(() => undefined);
  }
}

/** True for a status by which a store says that it failed. 501 is a refusal: it does not have such conditions. */
function isServerFault({ cause }: RollupError): boolean {
  if (!(cause instanceof S3ServiceException)) return false;
  const { httpStatusCode: status = 0 } = cause.$metadata;
  return status >= 500 && status !== 501;
}

/** Deletes the object of a trial, also where the run was stopped meanwhile. */
function removeTrial(client: S3Client, bucket: string, key: string, signal: AbortSignal): Promise<void> {
  return withGrace(signal, (late) => deleteKeys(client, bucket, [key], late));
}

/** A key that nobody else writes. */
function keyOfTrial(prefix: string): string {
  return `${prefix}${DELETE_PROOF_NAME}${randomBytes(6).toString('hex')}`;
}

import { setTimeout as delay } from 'node:timers/promises';
import { DeleteObjectCommand, DeleteObjectsCommand, type S3Client } from '@aws-sdk/client-s3';
import { hasCode } from '../errors.ts';
import type { Undeleted } from '../rollup/model/store.ts';
import { quoteEtag } from './conditions.ts';
import { toRollupError } from './errors.ts';
import { backoff } from './client/retry.ts';

// https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
const KEYS_PER_DELETE = 1000;

/** Codes of keys that are worth another attempt: where a prefix is busy, S3 refuses single keys in a response of status 200. */
const RETRYABLE = new Set(['InternalError', 'ServiceUnavailable', 'SlowDown']);
/** Requests for one key, the first included. */
const ATTEMPTS = 5;
const FIRST_DELAY_MS = 200;

/** Characters that the XML of a request cannot carry: https://www.w3.org/TR/xml/#charsets */
// eslint-disable-next-line no-control-regex
const NOT_IN_XML = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/;

interface Target {
  key: string;
  /** Delete the object only if it has this ETag. Undefined: delete any. */
  etag?: string;
}

type Refusal = { key: string; error: unknown };

/**
 * Deletes every object that still has its ETag, a thousand a request. An object that does not exist counts as deleted.
 *
 * @returns the objects that were not deleted, with the reason
 * @throws RollupError where a request fails, rather than a key
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-deletes.html
 */
export async function deleteUnchanged(
  client: S3Client,
  bucket: string,
  objects: (Target & { etag: string })[],
  signal: AbortSignal,
): Promise<Undeleted[]> {
  return describe(bucket, await deleteEach(client, bucket, objects, signal));
}

/** The same for one object, by the request that keys take which XML cannot carry. Throws as `deleteUnchanged` does. */
export async function deleteOneUnchanged(
  client: S3Client,
  bucket: string,
  object: Target & { etag: string },
  signal: AbortSignal,
): Promise<Undeleted[]> {
  return describe(bucket, await deleteOne(client, bucket, object, signal));
}

/**
 * Deletes the objects that have these keys.
 *
 * @throws RollupError of the first key that is refused, after all were requested
 */
export async function deleteKeys(
  client: S3Client,
  bucket: string,
  keys: string[],
  signal: AbortSignal,
): Promise<void> {
  const targets = keys.map((key) => ({ key }));
  const [first] = await deleteEach(client, bucket, targets, signal);
  if (first === undefined) return;
  throw toRollupError(first.error, { operation: 'DeleteObjects', bucket, key: first.key });
}

/** Deletes in requests of a thousand keys; keys that their XML cannot carry, one by one. */
async function deleteEach(
  client: S3Client,
  bucket: string,
  objects: Target[],
  signal: AbortSignal,
): Promise<Refusal[]> {
  const refusals: Refusal[] = [];
  const batched = objects.filter(({ key }) => !NOT_IN_XML.test(key));
  for (let at = 0; at < batched.length; at += KEYS_PER_DELETE)
    refusals.push(...(await deleteBatch(client, bucket, batched.slice(at, at + KEYS_PER_DELETE), signal)));
  for (const object of objects.filter(({ key }) => NOT_IN_XML.test(key)))
    refusals.push(...(await deleteOne(client, bucket, object, signal)));
  return refusals;
}

async function deleteBatch(
  client: S3Client,
  bucket: string,
  batch: Target[],
  signal: AbortSignal,
): Promise<Refusal[]> {
  const refused: Refusal[] = [];
  let rest = batch;
  for (let attempt = 1; rest.length > 0; attempt++) {
    const Objects = rest.map(({ key, etag }) => ({
      Key: key,
      ...(etag === undefined ? {} : { ETag: quoteEtag(etag) }),
    }));
    const command = new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects, Quiet: true } });
    const { Errors = [] } = await client.send(command, { abortSignal: signal }).catch((error: unknown) => {
      throw toRollupError(error, { operation: 'DeleteObjects', bucket });
    });
    const again = new Set<string>();
    for (const { Key: key = '', Code = 'Error', Message = '' } of Errors) {
      if (RETRYABLE.has(Code) && attempt < ATTEMPTS) again.add(key);
      else refused.push({ key, error: Object.assign(new Error(Message), { name: Code }) });
    }
    rest = rest.filter(({ key }) => again.has(key));
    if (rest.length > 0) await delay(backoff(FIRST_DELAY_MS, attempt), undefined, { signal });
  }
  return refused;
}

async function deleteOne(
  client: S3Client,
  bucket: string,
  { key, etag }: Target,
  signal: AbortSignal,
): Promise<Refusal[]> {
  const command = new DeleteObjectCommand({
    Bucket: bucket,
    Key: key,
    ...(etag === undefined ? {} : { IfMatch: quoteEtag(etag) }),
  });
  try {
    await client.send(command, { abortSignal: signal });
    return [];
  } catch (error) {
    const failed = toRollupError(error, { operation: 'DeleteObject', bucket, key });
    if (hasCode(failed, 'AccessDenied', 'Conflict', 'PreconditionFailed', 'SourceVanished'))
      return [{ key, error }];
    throw failed;
  }
}

function describe(bucket: string, refusals: Refusal[]): Undeleted[] {
  return refusals.flatMap(({ key, error: refusal }): Undeleted[] => {
    const error = toRollupError(refusal, { operation: 'DeleteObjects', bucket, key });
    if (error.code === 'SourceVanished') return [];
    const why = hasCode(error, 'PreconditionFailed', 'Conflict') ? 'changed' : 'refused';
    return [{ key, why, error }];
  });
}

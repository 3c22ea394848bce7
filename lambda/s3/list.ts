import { isDeepStrictEqual } from 'node:util';
import {
  ListMultipartUploadsCommand,
  type ListMultipartUploadsCommandInput,
  ListObjectsV2Command,
  type S3Client,
} from '@aws-sdk/client-s3';
import { RollupError } from '../errors.ts';
import { compareKeys } from '../rollup/model/key-order.ts';
import type { Location } from '../rollup/model/location.ts';
import type { FirstKeys, ListedObject, OpenUpload } from '../rollup/model/store.ts';
import { decodeKey, unquoteEtag } from './conditions.ts';
import { toRollupError } from './errors.ts';

/**
 * Lists every object under a prefix, page by page.
 *
 * @param after a key: only keys behind it are listed
 * @throws RollupError `UnsortedListing` where keys do not come in UTF-8 byte order, which packing and `verify` rely on;
 *   `IncompleteListing` where a page says that there are more and not where, or an object has no key, size or ETag
 */
export async function* listObjects(
  client: S3Client,
  { bucket, prefix }: Location,
  abortSignal?: AbortSignal,
  after?: string,
): AsyncGenerator<ListedObject[]> {
  const input = {
    Bucket: bucket,
    Prefix: prefix,
    // Keys may have characters that XML cannot carry.
    EncodingType: 'url' as const,
    ...(after === undefined ? {} : { StartAfter: after }),
  };
  let last = after;
  let next: { ContinuationToken?: string } | undefined = {};
  try {
    while (next !== undefined) {
      const before: { ContinuationToken?: string } = next;
      const found = await client.send(
        new ListObjectsV2Command({ ...input, ...before }),
        abortSignal && { abortSignal },
      );
      const page = (found.Contents ?? []).map(({ Key, Size, ETag, LastModified, StorageClass }) => {
        // An object without a size would be taken for an empty one.
        if (Key === undefined || Size === undefined || ETag === undefined)
          throw incomplete(
            { bucket, prefix },
            `an object in it (${Key ?? ''}) has no key, no size or no ETag`,
          );
        return {
          key: decodeKey(Key, found.EncodingType),
          size: Size,
          etag: unquoteEtag(ETag),
          lastModified: LastModified?.toISOString() ?? '',
          ...(StorageClass === undefined ? {} : { storageClass: StorageClass }),
        };
      });
      for (const { key } of page) {
        if (last !== undefined && compareKeys(last, key) >= 0) throw unsorted(bucket, key, last);
        last = key;
      }
      const token = found.NextContinuationToken;
      next = token === undefined ? undefined : { ContinuationToken: token };
      if (found.IsTruncated === true) requireNext({ bucket, prefix }, before, next);
      yield page;
    }
  } catch (error) {
    throw toRollupError(error, { operation: 'ListObjectsV2', bucket, key: prefix });
  }
}

/** Lists the first keys under a prefix, in one request. */
export async function listFirst(
  client: S3Client,
  { bucket, prefix }: Location,
  { most, delimiter }: { most: number; delimiter?: string | undefined },
  abortSignal: AbortSignal,
): Promise<FirstKeys> {
  const command = new ListObjectsV2Command({
    Bucket: bucket,
    Prefix: prefix,
    MaxKeys: most,
    EncodingType: 'url',
    ...(delimiter === undefined ? {} : { Delimiter: delimiter }),
  });
  try {
    const found = await client.send(command, { abortSignal });
    const { Contents = [], CommonPrefixes = [], IsTruncated, EncodingType } = found;
    return {
      keys: Contents.map(({ Key }) => decodeKey(Key, EncodingType)),
      folders: CommonPrefixes.map(({ Prefix }) => decodeKey(Prefix, EncodingType)),
      hasMore: IsTruncated === true,
    };
  } catch (error) {
    throw toRollupError(error, { operation: 'ListObjectsV2', bucket, key: prefix });
  }
}

/** The place in a listing of uploads from which on it is asked for. */
type Markers = Pick<ListMultipartUploadsCommandInput, 'KeyMarker' | 'UploadIdMarker'>;

/**
 * Lists the multipart uploads under a prefix that are neither completed nor aborted.
 *
 * @throws RollupError `IncompleteListing` as `listObjects` does
 */
export async function listUploads(
  client: S3Client,
  { bucket, prefix }: Location,
  abortSignal: AbortSignal,
): Promise<OpenUpload[]> {
  const uploads: OpenUpload[] = [];
  let markers: Markers | undefined = {};
  try {
    while (markers !== undefined) {
      const input: ListMultipartUploadsCommandInput = {
        Bucket: bucket,
        Prefix: prefix,
        EncodingType: 'url',
        ...markers,
      };
      const page = await client.send(new ListMultipartUploadsCommand(input), { abortSignal });
      for (const { Key, UploadId, Initiated = new Date(0) } of page.Uploads ?? []) {
        if (Key === undefined || UploadId === undefined)
          throw incomplete({ bucket, prefix }, 'an upload in it has no key or no id');
        const key = decodeKey(Key, page.EncodingType);
        uploads.push({ bucket, key, uploadId: UploadId, initiated: Initiated });
      }
      const next: Markers | undefined =
        page.NextKeyMarker === undefined
          ? undefined
          : {
              KeyMarker: decodeKey(page.NextKeyMarker, page.EncodingType),
              UploadIdMarker: page.NextUploadIdMarker ?? '',
            };
      if (page.IsTruncated === true) requireNext({ bucket, prefix }, markers, next);
      markers = page.IsTruncated === true ? next : undefined;
    }
    return uploads;
  } catch (error) {
    throw toRollupError(error, { operation: 'ListMultipartUploads', bucket, key: prefix });
  }
}

/** Throws `IncompleteListing` unless a page that says that there are more names a place to go on from. */
function requireNext(at: Location, asked: object, next: object | undefined): void {
  if (next === undefined) throw incomplete(at, 'a page says that there are more, and not where');
  if (isDeepStrictEqual(asked, next)) throw incomplete(at, 'a page names itself as the next one');
}

function incomplete({ bucket, prefix }: Location, why: string): RollupError {
  return new RollupError(
    'IncompleteListing',
    `The listing of s3://${bucket}/${prefix} cannot be relied on: ${why}. S3 never answers so: look at what stands between, or at the store.`,
    { key: prefix },
  );
}

function unsorted(bucket: string, key: string, before: string): RollupError {
  return new RollupError(
    'UnsortedListing',
    `s3://${bucket} lists ${key} behind ${before}, which is not S3's key order (as directory buckets do). Use a general purpose bucket.`,
    { key },
  );
}

import {
  ListMultipartUploadsCommand,
  type ListMultipartUploadsCommandInput,
  type S3Client,
  paginateListObjectsV2,
} from '@aws-sdk/client-s3';
import { RollupError } from '../errors.ts';
import { compareKeys } from '../rollup/model/key-order.ts';
import type { Location } from '../rollup/model/location.ts';
import type { ListedObject, OpenUpload } from '../rollup/model/store.ts';
import { decodeKey, unquoteEtag } from './conditions.ts';
import { toRollupError } from './errors.ts';

/**
 * Lists every object under a prefix, page by page.
 *
 * @param after a key: only keys behind it are listed
 * @throws RollupError `UnsortedListing` where keys do not come in UTF-8 byte order, which packing and `verify` rely on
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
  try {
    const pages = paginateListObjectsV2({ client }, input, { abortSignal });
    for await (const { Contents = [], EncodingType } of pages) {
      const page = Contents.map(({ Key, Size = 0, ETag, LastModified, StorageClass }) => ({
        key: decodeKey(Key, EncodingType),
        size: Size,
        etag: unquoteEtag(ETag),
        lastModified: LastModified?.toISOString() ?? '',
        ...(StorageClass === undefined ? {} : { storageClass: StorageClass }),
      }));
      for (const { key } of page) {
        if (last !== undefined && compareKeys(last, key) >= 0) throw unsorted(bucket, key, last);
        last = key;
      }
      yield page;
    }
  } catch (error) {
    throw toRollupError(error, { operation: 'ListObjectsV2', bucket, key: prefix });
  }
}

/** Lists the multipart uploads under a prefix that are neither completed nor aborted. */
export async function listUploads(client: S3Client, { bucket, prefix }: Location): Promise<OpenUpload[]> {
  const uploads: OpenUpload[] = [];
  let markers: { KeyMarker?: string; UploadIdMarker?: string } | undefined = {};
  try {
    while (markers !== undefined) {
      const input: ListMultipartUploadsCommandInput = {
        Bucket: bucket,
        Prefix: prefix,
        EncodingType: 'url',
        ...markers,
      };
      const page = await client.send(new ListMultipartUploadsCommand(input));
      for (const { Key, UploadId = '', Initiated = new Date(0) } of page.Uploads ?? []) {
        uploads.push({
          bucket,
          key: decodeKey(Key, page.EncodingType),
          uploadId: UploadId,
          initiated: Initiated,
        });
      }
      const next = {
        KeyMarker: decodeKey(page.NextKeyMarker, page.EncodingType),
        UploadIdMarker: page.NextUploadIdMarker ?? '',
      };
      markers = page.IsTruncated === true ? next : undefined;
    }
    return uploads;
  } catch (error) {
    throw toRollupError(error, { operation: 'ListMultipartUploads', bucket, key: prefix });
  }
}

function unsorted(bucket: string, key: string, before: string): RollupError {
  return new RollupError(
    'UnsortedListing',
    `s3://${bucket} lists ${key} behind ${before}, which is not S3's key order (as directory buckets do). Use a general purpose bucket.`,
    { key },
  );
}

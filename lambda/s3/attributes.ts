import type { PutObjectCommandInput } from '@aws-sdk/client-s3';

/** What outputs are stored with. None of it shapes their bytes: it holds for what is written from now on. */
export interface OutputAttributes {
  storageClass?: PutObjectCommandInput['StorageClass'];
  tags?: Readonly<Record<string, string>> | undefined;
  /** A key of KMS, by its id, ARN or alias. */
  kmsKeyId?: string | undefined;
  contentType?: string | undefined;
  contentEncoding?: string | undefined;
  /** For a bucket of another account in which ACLs are in force. */
  acl?: 'bucket-owner-full-control' | undefined;
}

/** What decides who can read an object; of whatever is written, the manifest too. */
export function accessParams({ kmsKeyId, acl }: OutputAttributes) {
  return {
    ...(kmsKeyId === undefined
      ? {}
      : {
          ServerSideEncryption: 'aws:kms' as const,
          SSEKMSKeyId: kmsKeyId,
          // One request to KMS for many objects, not one for each of them.
          BucketKeyEnabled: true,
        }),
    ...(acl === undefined ? {} : { ACL: acl }),
  };
}

/** What says how bytes are to be understood. */
export function contentParams({ contentType, contentEncoding }: OutputAttributes) {
  return {
    ...(contentType === undefined ? {} : { ContentType: contentType }),
    ...(contentEncoding === undefined ? {} : { ContentEncoding: contentEncoding }),
  };
}

/** Of an output, apart from how its bytes are to be understood. */
export function storageParams({ storageClass, tags, ...attributes }: OutputAttributes) {
  return {
    ...accessParams(attributes),
    ...(storageClass === undefined ? {} : { StorageClass: storageClass }),
    ...(tags === undefined ? {} : { Tagging: formatTags(tags) }),
  };
}

export type OutputParams = ReturnType<typeof outputParams>;

export function outputParams(attributes: OutputAttributes) {
  return { ...storageParams(attributes), ...contentParams(attributes) };
}

/** As in `x-amz-tagging`: the query of a URL. */
function formatTags(tags: Readonly<Record<string, string>>): string {
  return Object.entries(tags)
    .map((tag) => tag.map(encodeURIComponent).join('='))
    .join('&');
}

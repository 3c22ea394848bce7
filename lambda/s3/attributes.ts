import type { Settings } from '../settings/table.ts';

/** The settings that outputs are stored with. None of them changes bytes: outputs that exist already keep their own. */
export type OutputAttributes = Partial<
  Pick<Settings, 'storageClass' | 'tags' | 'kmsKeyId' | 'sse' | 'contentType' | 'contentEncoding' | 'acl'>
>;

/** Parameters that decide who can read an object: of outputs, and of the manifest too. */
export function accessParams({ kmsKeyId, sse, acl }: OutputAttributes) {
  return {
    ...(kmsKeyId === undefined
      ? {}
      : {
          ServerSideEncryption: 'aws:kms' as const,
          SSEKMSKeyId: kmsKeyId,
          // One request to KMS for many objects, instead of one for each.
          // https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-key.html
          BucketKeyEnabled: true,
        }),
    ...(sse === undefined ? {} : { ServerSideEncryption: sse }),
    ...(acl === undefined ? {} : { ACL: acl }),
  };
}

/** Parameters that tell readers the format of an object's bytes. */
export function contentParams({ contentType, contentEncoding }: OutputAttributes) {
  return {
    ...(contentType === undefined ? {} : { ContentType: contentType }),
    ...(contentEncoding === undefined ? {} : { ContentEncoding: contentEncoding }),
  };
}

/** Parameters of an output, except those of its format: encryption, ACL, storage class and tags. */
export function storageParams({ storageClass, tags, ...attributes }: OutputAttributes) {
  return {
    ...accessParams(attributes),
    ...(storageClass === undefined ? {} : { StorageClass: storageClass }),
    ...(tags === undefined ? {} : { Tagging: formatTags(tags) }),
  };
}

/** Parameters of a request that creates an output. */
export type OutputParams = ReturnType<typeof outputParams>;

/** All parameters of an output. */
export function outputParams(attributes: OutputAttributes) {
  return { ...storageParams(attributes), ...contentParams(attributes) };
}

/** The value of `x-amz-tagging`: `team=logs&stage=prod`, encoded as a URL's query. */
function formatTags(tags: Readonly<Record<string, string>>): string {
  return Object.entries(tags)
    .map((tag) => tag.map(encodeURIComponent).join('='))
    .join('&');
}

import type { Settings } from '../settings/table.ts';

/** What outputs are stored with. None of it shapes their bytes: it holds for what is written from now on. */
export type OutputAttributes = Partial<
  Pick<Settings, 'storageClass' | 'tags' | 'kmsKeyId' | 'contentType' | 'contentEncoding' | 'acl'>
>;

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

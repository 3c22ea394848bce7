import { createHash } from 'node:crypto';
import { parseAttributes } from './storage/attributes.ts';
import { checksumHeader } from './checksums.ts';
import { S3Error } from './http/s3-error.ts';
import type { Archive, Attributes, ObjectTable, StoredObject } from './storage/object-table.ts';

/** Access to objects without HTTP, for tests. An unknown bucket throws; an unknown key is undefined. */
export interface DirectAccess {
  /** Puts an object. Of checksums among the headers only a CRC-32 is kept, and not checked. */
  put(
    bucket: string,
    key: string,
    body: Uint8Array | string,
    options?: {
      lastModified?: Date;
      storageClass?: string;
      archive?: Archive;
      headers?: Record<string, string>;
    },
  ): { etag: string };
  get(bucket: string, key: string): Buffer | undefined;
  /** The ETag is without quotes; checksums are by header name. */
  head(
    bucket: string,
    key: string,
  ): { size: number; etag: string; lastModified: Date; checksums: Record<string, string> } | undefined;
  attributes(bucket: string, key: string): Attributes | undefined;
  /** Keys in UTF-8 byte order. */
  keys(bucket: string, prefix?: string): string[];
  delete(bucket: string, key: string): void;
  /** Moves LastModified into the past, by milliseconds. */
  age(bucket: string, key: string, byMs: number): void;
  openUploads(bucket: string): { key: string; uploadId: string; initiated: Date }[];
}

const CRC32 = { algorithm: 'CRC32', type: 'FULL_OBJECT' } as const;

export function directAccess(table: ObjectTable, now: () => Date): DirectAccess {
  const find = (bucket: string, key: string): StoredObject | undefined =>
    table.bucket(bucket).objects.get(key);
  return {
    put(bucket, key, body, { lastModified = now(), storageClass, archive, headers = {} } = {}) {
      table.bucket(bucket);
      const bytes = Buffer.from(body);
      const etag = createHash('md5').update(bytes).digest('hex');
      const attributes = {
        ...parseAttributes({
          ...headers,
          ...(storageClass !== undefined && { 'x-amz-storage-class': storageClass }),
        }),
        ...(archive && { archive }),
      };
      const seconds = Math.floor(lastModified.getTime() / 1000) * 1000;
      const content = table.content.keep(bytes);
      const value = headers['x-amz-checksum-crc32'];
      const checksum = value === undefined ? {} : { checksum: { ...CRC32, value } };
      const object = {
        key,
        size: bytes.length,
        etag,
        lastModified: seconds,
        content,
        attributes,
        ...checksum,
      };
      table.commit({ type: 'object-put', bucket, object });
      return { etag };
    },
    get(bucket, key) {
      const object = find(bucket, key);
      return object && Buffer.concat([...table.content.readNow(object.content)]);
    },
    head(bucket, key) {
      const object = find(bucket, key);
      if (!object) return undefined;
      const { algorithm, value } = table.checksum(object);
      const checksums = { [checksumHeader(algorithm)]: value };
      return { size: object.size, etag: object.etag, lastModified: new Date(object.lastModified), checksums };
    },
    attributes(bucket, key) {
      return find(bucket, key)?.attributes;
    },
    keys(bucket, prefix = '') {
      return table
        .bucket(bucket)
        .keys.all()
        .filter((key) => key.startsWith(prefix));
    },
    delete(bucket, key) {
      if (find(bucket, key)) table.commit({ type: 'object-deleted', bucket, key });
    },
    age(bucket, key, byMs) {
      const object = find(bucket, key);
      if (!object) throw new S3Error('NoSuchKey', 'The specified key does not exist.', { Key: key });
      const lastModified = object.lastModified - byMs;
      table.commit({ type: 'object-put', bucket, object: { ...object, lastModified } });
    },
    openUploads(bucket) {
      return Array.from(table.bucket(bucket).uploads.values(), ({ key, uploadId, initiated }) => ({
        key,
        uploadId,
        initiated: new Date(initiated),
      }));
    },
  };
}

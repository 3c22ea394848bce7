import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { S3Error } from '../http/s3-error.ts';
import type { Attributes, StoredObject } from './object-table.ts';

const KEPT = ['content-type', 'cache-control', 'content-disposition', 'content-language', 'expires'];
const CLASSES = [
  'STANDARD',
  'STANDARD_IA',
  'ONEZONE_IA',
  'INTELLIGENT_TIERING',
  'REDUCED_REDUNDANCY',
  'GLACIER_IR',
  'GLACIER',
  'DEEP_ARCHIVE',
];
// Canned ACLs: https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#canned-acl
const ACLS = [
  'private',
  'public-read',
  'public-read-write',
  'authenticated-read',
  'aws-exec-read',
  'bucket-owner-read',
  'bucket-owner-full-control',
];
/** Headers that change the meaning of a write and are not implemented: they are refused, not ignored. */
const REFUSED = [
  'x-amz-server-side-encryption-customer-algorithm',
  'x-amz-object-lock-mode',
  'x-amz-object-lock-legal-hold',
  'x-amz-website-redirect-location',
  'x-amz-write-offset-bytes',
];
/** Most bytes of metadata: https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html */
const LARGEST_METADATA = 2 * 1024;
const MOST_TAGS = 10;

export function parseAttributes(headers: IncomingHttpHeaders): Attributes {
  for (const name of REFUSED) {
    if (headers[name] !== undefined) {
      throw new S3Error(
        'NotImplemented',
        'A header you provided implies functionality that is not implemented.',
        {
          Header: name,
        },
      );
    }
  }
  const kept: Record<string, string> = { 'content-type': 'binary/octet-stream' };
  let metadata = 0;
  for (const [name, value] of Object.entries(headers)) {
    if (name.startsWith('x-amz-meta-')) metadata += name.length - 'x-amz-meta-'.length + String(value).length;
    if (KEPT.includes(name) || name.startsWith('x-amz-meta-')) kept[name] = String(value);
  }
  if (metadata > LARGEST_METADATA) {
    throw new S3Error('MetadataTooLarge', 'Your metadata headers exceed the maximum allowed metadata size');
  }
  // `aws-chunked` is about the transfer, and no encoding of the object.
  const encoding = (headers['content-encoding'] ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '' && part !== 'aws-chunked')
    .join(', ');
  if (encoding !== '') kept['content-encoding'] = encoding;
  return {
    storageClass: parseStorageClass(headers['x-amz-storage-class']),
    headers: kept,
    tags: parseTagging(headers['x-amz-tagging']),
    ...parseEncryption(headers),
    ...parseAcl(headers['x-amz-acl']),
  };
}

function parseEncryption(headers: IncomingHttpHeaders): Pick<Attributes, 'encryption'> {
  const algorithm = headers['x-amz-server-side-encryption'];
  const keyId = headers['x-amz-server-side-encryption-aws-kms-key-id'];
  if (algorithm === 'aws:kms') {
    const bucketKey = headers['x-amz-server-side-encryption-bucket-key-enabled'] === 'true';
    return { encryption: { keyId: String(keyId ?? 'alias/aws/s3'), bucketKey } };
  }
  if (keyId === undefined && (algorithm === undefined || algorithm === 'AES256')) return {};
  throw new S3Error('InvalidArgument', 'The encryption method specified is not supported', {
    ArgumentName: 'x-amz-server-side-encryption',
    ArgumentValue: String(algorithm),
  });
}

function parseAcl(acl: string | string[] | undefined): Pick<Attributes, 'acl'> {
  if (acl === undefined) return {};
  if (typeof acl === 'string' && ACLS.includes(acl)) return { acl };
  throw new S3Error('InvalidArgument', 'The canned ACL is not one of S3', { ArgumentName: 'x-amz-acl' });
}

/** The ETag of an object. Under SSE-KMS it is no digest: the same bytes written twice have two ETags. */
export function etagOf({ encryption }: Attributes, md5: string): string {
  return encryption === undefined ? md5 : randomUUID().replaceAll('-', '');
}

export function parseStorageClass(value: string | string[] | undefined): string {
  const storageClass = value ?? 'STANDARD';
  if (typeof storageClass === 'string' && CLASSES.includes(storageClass)) return storageClass;
  throw new S3Error('InvalidStorageClass', 'The storage class you specified is not valid');
}

function parseTagging(value: string | string[] | undefined): Record<string, string> {
  return checkTags(Array.from(new URLSearchParams(String(value ?? ''))));
}

export function checkTags(tags: [string, string][]): Record<string, string> {
  const unique = Object.fromEntries(tags);
  if (tags.length > MOST_TAGS || tags.length !== Object.keys(unique).length) {
    throw new S3Error('InvalidTag', 'Object tags cannot be greater than 10, nor have the same key twice');
  }
  if (tags.some(([key, text]) => key === '' || key.length > 128 || text.length > 256)) {
    throw new S3Error('InvalidTag', 'The TagKey or TagValue you have provided is invalid');
  }
  return unique;
}

/** Throws for an archived object, which has to be restored before it can be read. */
export function checkReadable({ attributes: { storageClass, archive = {} } }: StoredObject): void {
  const isArchived = storageClass === 'GLACIER' || storageClass === 'DEEP_ARCHIVE';
  if (archive.restore === 'done' || (!isArchived && archive.tier === undefined)) return;
  throw new S3Error('InvalidObjectState', "The operation is not valid for the object's storage class", {
    StorageClass: storageClass,
    ...(archive.tier !== undefined && { AccessTier: archive.tier }),
  });
}

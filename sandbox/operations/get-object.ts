import { checkReadable } from '../storage/attributes.ts';
import { header, parseCount, type Call, type Reply } from '../http/call.ts';
import { checksumHeader } from '../checksums.ts';
import { checkRead } from '../conditions.ts';
import { slice } from '../storage/content.ts';
import { S3Error } from '../http/s3-error.ts';
import type { StoredObject } from '../storage/object-table.ts';

interface Range {
  start: number;
  /** The byte after the last. */
  end: number;
}

/** GetObject and HeadObject: the same headers, and a body that is not sent for a HEAD. */
export function getObject(call: Call): Reply {
  const { table, bucket, key, operation } = call;
  const object = table.object(bucket, key);
  checkRead(call.headers, object);
  if (operation === 'GetObject') checkReadable(object);
  const range = partRange(call, object) ?? parseRange(header(call, 'range'), object.size);
  const { start, end } = range ?? { start: 0, end: object.size };
  const content = slice(object.content, start, end);
  table.content.retain(content);
  return {
    status: range ? 206 : 200,
    headers: {
      ...object.attributes.headers,
      etag: `"${object.etag}"`,
      'last-modified': new Date(object.lastModified).toUTCString(),
      'accept-ranges': 'bytes',
      ...(range && { 'content-range': `bytes ${start}-${end - 1}/${object.size}` }),
      ...storageHeaders(object),
      ...(call.query.has('partNumber') &&
        object.parts && { 'x-amz-mp-parts-count': String(object.parts.length) }),
      // S3 sends no checksum of a range.
      ...(!range &&
        header(call, 'x-amz-checksum-mode')?.toUpperCase() === 'ENABLED' &&
        checksumHeaders(call, object)),
    },
    body: { content, length: end - start },
  };
}

function storageHeaders({
  attributes: { storageClass, tags, encryption, archive = {} },
}: StoredObject): Record<string, string> {
  const tagCount = Object.keys(tags).length;
  return {
    'x-amz-server-side-encryption': encryption === undefined ? 'AES256' : 'aws:kms',
    ...(encryption && {
      'x-amz-server-side-encryption-aws-kms-key-id': encryption.keyId,
      'x-amz-server-side-encryption-bucket-key-enabled': String(encryption.bucketKey),
    }),
    ...(storageClass !== 'STANDARD' && { 'x-amz-storage-class': storageClass }),
    ...(archive.tier !== undefined && { 'x-amz-archive-status': archive.tier }),
    ...(archive.restore !== undefined && { 'x-amz-restore': formatRestore(archive.restore) }),
    ...(tagCount > 0 && { 'x-amz-tagging-count': String(tagCount) }),
  };
}

function formatRestore(state: 'ongoing' | 'done'): string {
  if (state === 'ongoing') return 'ongoing-request="true"';
  return 'ongoing-request="false", expiry-date="Fri, 21 Dec 2046 00:00:00 GMT"';
}

function checksumHeaders({ table }: Call, object: StoredObject): Record<string, string> {
  const { algorithm, type, value } = table.checksum(object);
  return { [checksumHeader(algorithm)]: value, 'x-amz-checksum-type': type };
}

function partRange(call: Call, object: StoredObject): Range | undefined {
  if (!call.query.has('partNumber')) return undefined;
  const partNumber = parseCount(call, 'partNumber', 1, 10_000, 1);
  const sizes = object.parts ?? [object.size];
  const size = sizes[partNumber - 1];
  if (size === undefined) throw new S3Error('InvalidRange', 'The requested partnumber is not satisfiable');
  const start = sizes.slice(0, partNumber - 1).reduce((sum, each) => sum + each, 0);
  return { start, end: start + size };
}

/** Parses a Range header. Anything but a single byte range is ignored, as in RFC 9110 and S3. */
export function parseRange(text: string | undefined, size: number): Range | undefined {
  const [, first = '', last = ''] = /^bytes=(\d*)-(\d*)$/.exec(text ?? '') ?? [];
  if (first === '' && last === '') return undefined;
  if (first !== '' && last !== '' && Number(last) < Number(first)) return undefined;
  const start = first === '' ? Math.max(size - Number(last), 0) : Number(first);
  const end = first === '' || last === '' ? size : Math.min(Number(last) + 1, size);
  if (start < end) return { start, end };
  throw new S3Error('InvalidRange', 'The requested range is not satisfiable', {
    RangeRequested: text ?? '',
    ActualObjectSize: String(size),
  });
}

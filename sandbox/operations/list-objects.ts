import { parseCount, xmlReply, type Call, type Reply } from '../http/call.ts';
import { S3Error } from '../http/s3-error.ts';
import type { Bucket, StoredObject } from '../storage/object-table.ts';
import { branch, leaf, result } from '../http/xml.ts';

interface Page {
  objects: StoredObject[];
  prefixes: string[];
  /** Start of the next page; absent on the last one. */
  next?: Position;
}

/** A position after this key, or after all keys that begin with it. */
interface Position {
  after: string;
  whole: boolean;
}

export function listObjects(call: Call): Reply {
  const { query } = call;
  if (query.get('list-type') !== '2')
    throw new S3Error('InvalidArgument', 'Invalid List Type: only 2 is served');
  const bucket = call.table.bucket(call.bucket);
  const limit = parseCount(call, 'max-keys', 1000, 1000);
  const prefix = query.get('prefix') ?? '';
  const delimiter = query.get('delimiter') ?? '';
  const token = query.get('continuation-token');
  const startAfter = query.get('start-after');
  const position = token !== null ? parseToken(token) : { after: startAfter ?? '', whole: false };
  const page = listPage(bucket, { prefix, delimiter, limit, position });
  const encode = keyEncoding(call);
  return xmlReply(
    result(
      'ListBucketResult',
      leaf('Name', bucket.name),
      leaf('Prefix', encode(prefix)),
      leaf('Delimiter', delimiter === '' ? undefined : encode(delimiter)),
      leaf('StartAfter', startAfter === null ? undefined : encode(startAfter)),
      leaf('ContinuationToken', token ?? undefined),
      leaf('NextContinuationToken', page.next && formatToken(page.next)),
      leaf('EncodingType', query.get('encoding-type') ?? undefined),
      leaf('KeyCount', page.objects.length + page.prefixes.length),
      leaf('MaxKeys', limit),
      leaf('IsTruncated', page.next !== undefined),
      ...page.objects.map((object) => formatObject(object, encode)),
      ...page.prefixes.map((each) => branch('CommonPrefixes', leaf('Prefix', encode(each)))),
    ),
  );
}

function formatObject(object: StoredObject, encode: (key: string) => string): string {
  // An object that was written without a checksum has S3's CRC-64/NVME. Its value is not listed, and is not computed
  // here.
  const { algorithm, type } = object.checksum ?? { algorithm: 'CRC64NVME', type: 'FULL_OBJECT' };
  return branch(
    'Contents',
    leaf('Key', encode(object.key)),
    leaf('LastModified', formatTime(object.lastModified)),
    leaf('ETag', `"${object.etag}"`),
    leaf('ChecksumAlgorithm', algorithm),
    leaf('ChecksumType', type),
    leaf('Size', object.size),
    leaf('StorageClass', object.attributes.storageClass),
  );
}

/** A time as listings show it, in whole seconds. */
export function formatTime(time: number): string {
  return new Date(Math.floor(time / 1000) * 1000).toISOString();
}

/** The encoding of keys in a listing: none, or with `encoding-type=url` form encoding without that of slashes. */
export function keyEncoding({ query }: Call): (key: string) => string {
  const type = query.get('encoding-type');
  if (type === null) return (key) => key;
  if (type !== 'url') throw new S3Error('InvalidArgument', 'Invalid Encoding Method specified in Request');
  return (key) => new URLSearchParams({ '': key }).toString().slice(1).replaceAll('%2F', '/');
}

interface Listing {
  prefix: string;
  delimiter: string;
  limit: number;
  position: Position;
}

function listPage(bucket: Bucket, { prefix, delimiter, limit, position }: Listing): Page {
  const page: Page = { objects: [], prefixes: [] };
  if (limit === 0) return page;
  const keys = bucket.keys.all();
  let index = Math.max(bucket.keys.seek(prefix), bucket.keys.seek(position.after));
  if (position.after !== '') {
    if (position.whole) index = bucket.keys.skip(position.after, index);
    else if (keys[index] === position.after) index++;
  }
  let last: Position | undefined;
  for (let key = keys[index]; key?.startsWith(prefix); key = keys[index]) {
    if (page.objects.length + page.prefixes.length === limit) return { ...page, ...(last && { next: last }) };
    const end = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
    const common = end < 0 ? undefined : key.slice(0, end + delimiter.length);
    last = { after: common ?? key, whole: common !== undefined };
    if (common === undefined) {
      const object = bucket.objects.get(key);
      if (object) page.objects.push(object);
      index++;
    } else {
      // A common prefix is still listed if start-after lies within it, but not if they are equal.
      if (common !== position.after) page.prefixes.push(common);
      index = bucket.keys.skip(common, index);
    }
  }
  return page;
}

function formatToken({ after, whole }: Position): string {
  return Buffer.from(`${whole ? 'p' : 'k'}${after}`).toString('base64');
}

function parseToken(token: string): Position {
  const text = Buffer.from(token, 'base64').toString();
  if (!/^[pk]/.test(text) || Buffer.from(text).toString('base64') !== token) {
    throw new S3Error('InvalidArgument', 'The continuation token provided is incorrect');
  }
  return { after: text.slice(1), whole: text.startsWith('p') };
}

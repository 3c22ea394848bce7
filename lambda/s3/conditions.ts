import { isAccessPoint } from '../rollup/model/location.ts';
/** An ETag as requests carry it. Everywhere else in the code ETags are without their quotes. */
export function quoteEtag(etag: string): string {
  return `"${etag}"`;
}

/** The ETag of a response without its quotes; empty where there is none. */
export function unquoteEtag(etag: string | undefined): string {
  return detached((etag ?? '').replace(/^"(.*)"$/, '$1'));
}

/** A copy. A string that V8 cut out of another keeps all of it in memory: an ETag of a listing, the whole page. */
function detached(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1');
}

/** `offset` 100, `length` 50 -> `bytes=100-149`. */
export function formatRange({ offset, length }: { offset: number; length: number }): string {
  return `bytes=${offset}-${offset + length - 1}`;
}

/** Reads a CRC-32 as S3 writes it: base64 of its four bytes. Undefined where there is none of the whole object. */
export function parseCrc32(base64: string | undefined): number | undefined {
  // A checksum of checksums (`…-3`) is not one of the whole object.
  if (base64 === undefined || !/^[A-Za-z0-9+/]{6}==$/.test(base64)) return undefined;
  return Buffer.from(base64, 'base64').readUInt32BE();
}

/** A CRC-32 as S3 writes it: base64 of its four bytes. */
export function encodeCrc32(crc32: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc32 >>> 0);
  return bytes.toString('base64');
}

/** The value of `x-amz-copy-source`. */
export function copySource(bucket: string, key: string): string {
  const encoded = key.split('/').map(encodeURIComponent).join('/');
  // https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html#API_CopyObject_RequestSyntax
  return isAccessPoint(bucket)
    ? `${encodeURIComponent(`${bucket}/object/`)}${encoded}`
    : `${bucket}/${encoded}`;
}

/**
 * A key from a listing that was asked for with `encoding-type=url`, which writes a space as a plus sign. S3 names the
 * encoding in its answer; some stores do not know it, name none, and send keys as they are.
 *
 * @param encoding `EncodingType` of the answer
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
 */
export function decodeKey(listed: string | undefined, encoding: string | undefined): string {
  const key = listed ?? '';
  return encoding === 'url' ? decodeURIComponent(key.replaceAll('+', ' ')) : key;
}

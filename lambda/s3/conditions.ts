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

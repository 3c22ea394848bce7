import { RollupError } from '../../errors.ts';

/**
 * A prefix in a bucket. The prefix of a destination or a root is a folder: empty, or it ends with `/`. That of a source may
 * end anywhere, begin with a slash and have empty segments.
 */
export interface Location {
  bucket: string;
  prefix: string;
}

/** The place of one object. */
export interface ObjectAt {
  bucket: string;
  key: string;
}

// Wider than S3's rules for new buckets: older buckets, and those of other S3-compatible stores, may have other names.
const BUCKET = /^[A-Za-z0-9][A-Za-z0-9._-]{0,254}$/;
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-points-naming.html. Those of several regions are left out: their
// requests need another signature.
const ACCESS_POINT = /^arn:[\w-]+:s3:[a-z0-9-]+:\d{12}:accesspoint\/[a-z0-9][a-z0-9-]{1,48}[a-z0-9]$/;
/** Bucket and key of a URI. The ARN of an access point, which stands for a bucket, has a slash in it. */
const URI = /^s3:\/\/(arn:[^/]*\/[^/]*|[^/]*)(?:\/(.*))?$/s;

// https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
const BUCKET_OF_TODAY = /^(?!.*\.\.)(?!\d+\.\d+\.\d+\.\d+$)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;

/** True of a name that Amazon S3 gives a bucket today, and of an access point. Some buckets in us-east-1 have older names. */
export function isNameOfToday(bucket: string): boolean {
  return BUCKET_OF_TODAY.test(bucket) || isAccessPoint(bucket);
}

/** True of the ARN of an access point in the place of a bucket's name. */
export function isAccessPoint(bucket: string): boolean {
  return ACCESS_POINT.test(bucket);
}

/** The bucket, or the ARN of an access point, of a URI that may have placeholders; empty for a text that is no URI. */
export function bucketOf(uri: string): string {
  return URI.exec(uri)?.[1] ?? '';
}

/**
 * Parses the URI of a folder, which a destination is: `s3://bucket/a/b/` or `s3://bucket/a/b` ->
 * `{ bucket: 'bucket', prefix: 'a/b/' }`. The ARN of an access point may stand for the bucket:
 * `s3://arn:aws:s3:eu-west-1:111122223333:accesspoint/logs/a/b/`.
 *
 * @throws RollupError `InvalidArgument` for a text that is no such URI, and for one with a placeholder in it
 */
export function parseLocation(uri: string): Location {
  return asFolder(parseSource(uri));
}

/**
 * Parses the URI of a source, whose prefix is taken exactly as it is written: `s3://bucket/cf/E2.2026-11-21-08` ->
 * `{ bucket: 'bucket', prefix: 'cf/E2.2026-11-21-08' }`.
 *
 * @throws RollupError `InvalidArgument` as `parseLocation` does
 */
export function parseSource(uri: string): Location {
  const [, bucket, prefix = ''] = URI.exec(uri) ?? [];
  if (bucket === undefined) throw invalid(uri, 'it must look like s3://bucket/prefix/');
  if (!BUCKET.test(bucket) && !isAccessPoint(bucket))
    throw invalid(uri, `"${bucket}" is not a bucket name, nor the ARN of an access point of one region`);
  if (prefix.split('/').some((segment) => segment === '..' || segment === '.')) {
    throw invalid(uri, 'its prefix has a "." or ".." segment');
  }
  if (/[{}]/.test(prefix)) throw invalid(uri, 'a placeholder in it was not filled: give an hour');
  return { bucket, prefix };
}

/** The folder of a prefix that is written without its slash: `raw/08` -> `raw/08/`. A folder stays as it is. */
export function asFolder({ bucket, prefix }: Location): Location {
  return { bucket, prefix: isFolder(prefix) ? prefix : `${prefix}/` };
}

/** True of a prefix that takes in one folder, or the whole bucket. */
export function isFolder(prefix: string): boolean {
  return prefix === '' || prefix.endsWith('/');
}

/**
 * The part of a source prefix that is cut off its keys to make their names: all up to and including the last slash.
 * `cf/E2.2026-11-21-08` -> `cf/`.
 */
export function baseOf(prefix: string): string {
  return prefix.slice(0, prefix.lastIndexOf('/') + 1);
}

/** The URI of a location, as it was written: `s3://bucket/prefix/`. */
export function formatLocation({ bucket, prefix }: Location): string {
  return `s3://${bucket}/${prefix}`;
}

/**
 * Checks that neither of two prefixes lies inside the other: that neither begins with the other.
 *
 * @throws RollupError `InvalidArgument` if one does, or if they are the same
 */
export function refuseOverlap(source: Location, destination: Location): void {
  if (source.bucket !== destination.bucket) return;
  const [from, to] = [source.prefix, destination.prefix];
  if (!from.startsWith(to) && !to.startsWith(from)) return;
  const relation =
    from === to
      ? 'are the same'
      : from.startsWith(to)
        ? 'overlap: the source is inside the destination'
        : 'overlap: the destination is inside the source';
  // Without its slash, `s3://b/logs` takes in `logs-rolled/` too.
  const folder = asFolder(source);
  const isApart = !folder.prefix.startsWith(to) && !to.startsWith(folder.prefix);
  const hint = isApart ? ` For the folder alone, write ${formatLocation(folder)} as the source.` : '';
  throw new RollupError(
    'InvalidArgument',
    `Source ${formatLocation(source)} and destination ${formatLocation(destination)} ${relation}. Give two prefixes of which neither begins with the other.${hint}`,
  );
}

function invalid(uri: string, why: string): RollupError {
  return new RollupError('InvalidArgument', `"${uri}" is not a location: ${why}.`);
}

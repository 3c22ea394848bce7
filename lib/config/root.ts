import type { IKey } from 'aws-cdk-lib/aws-kms';
import { z } from 'zod';

/** The part of CDK's `IBucket` that a rollup needs. */
export interface LogBucket {
  /** The name, which may be a token. */
  readonly bucketName: string;
  readonly bucketArn: string;
  readonly encryptionKey?: IKey | undefined;
  arnForObjects(keyPattern: string): string;
}

/** A prefix in a bucket; the prefix is empty or ends with `/`. */
export interface Root {
  readonly bucket: LogBucket;
  readonly prefix: string;
}

/** A root as text: `s3://bucket/prefix/`. */
export function formatRoot({ bucket, prefix }: Root): string {
  return `s3://${bucket.bucketName}/${prefix}`;
}

/** Schema of the prefix of raw logs: `logs/raw/` or, for the whole bucket, an empty text. */
export const rawPrefixSchema = z
  .string('must be text, such as "raw/"')
  .refine((prefix) => prefix === '' || prefix.endsWith('/'), 'must be empty or end with "/"')
  .refine((prefix) => !/(^|\/)\.{1,2}\//.test(prefix), 'must not have a "." or ".." segment')
  // `*`, `?` and `$` are special in a policy's resource, and braces in a schedule's input.
  .refine((prefix) => !/[*?{}$]/.test(prefix), 'must not contain any of * ? { } $');

/**
 * Schema of the prefix of rollups, which has no empty segment: Athena does not read a location with `//` in it.
 * https://docs.aws.amazon.com/athena/latest/ug/tables-location-format.html
 */
export const prefixSchema = rawPrefixSchema.refine(
  (prefix) => !prefix.startsWith('/') && !prefix.includes('//'),
  'must not have an empty segment',
);

/** True if one prefix lies inside the other: outputs would then be sources. */
export function prefixesOverlap(one: string, other: string): boolean {
  return one.startsWith(other) || other.startsWith(one);
}

/** Schema of an access point's ARN, which may stand for a bucket's name. */
export const accessPointArn = z
  .string()
  .regex(
    /^arn:[\w-]+:s3:[a-z0-9-]+:\d{12}:accesspoint\/[a-z0-9][a-z0-9-]{1,48}[a-z0-9]$/,
    'must be the ARN of an access point of one region',
  );

// https://docs.aws.amazon.com/AmazonS3/latest/userguide/directory-buckets-overview.html
export const DIRECTORY_BUCKET =
  'must not be a directory bucket: it lists its keys in no order, and has no lifecycle rules by prefix';

/** True of the name of a directory bucket (S3 Express One Zone): `logs--euc1-az1--x-s3`. */
export function isDirectoryBucket(name: string): boolean {
  return /--x(a)?-s3$/.test(name);
}

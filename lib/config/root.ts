import type { IKey } from 'aws-cdk-lib/aws-kms';
import { z } from 'zod';

/** Of CDK's `IBucket`, what a rollup needs to know. */
export interface LogBucket {
  /** May be a token. */
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

/** `s3://bucket/prefix/`. */
export function formatRoot({ bucket, prefix }: Root): string {
  return `s3://${bucket.bucketName}/${prefix}`;
}

/** `logs/raw/` or, for the whole bucket, an empty text. */
export const prefixSchema = z
  .string('must be text, such as "raw/"')
  .refine((prefix) => prefix === '' || prefix.endsWith('/'), 'must be empty or end with "/"')
  .refine((prefix) => !prefix.startsWith('/') && !prefix.includes('//'), 'must not have an empty segment')
  .refine((prefix) => !/(^|\/)\.{1,2}\//.test(prefix), 'must not have a "." or ".." segment')
  // Both mean something else in a policy's resource, and a brace in a schedule's input.
  .refine((prefix) => !/[*?{}$]/.test(prefix), 'must not contain any of * ? { } $');

/** Where one prefix lies inside the other, an output would be somebody's source. */
export function prefixesOverlap(one: string, other: string): boolean {
  return one.startsWith(other) || other.startsWith(one);
}

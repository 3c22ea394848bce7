import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import { Key, type IKey } from 'aws-cdk-lib/aws-kms';
import {
  BlockPublicAccess,
  Bucket,
  BucketEncryption,
  ObjectOwnership,
  type BucketProps,
  type IBucket,
  type LifecycleRule,
} from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import type { LogBucket } from './config/root.ts';

const ACCESS_LOG_RETENTION = Duration.days(90);

/** Properties of `Buckets`. */
export interface BucketsProps {
  /** @defaultValue a bucket is created */
  readonly rawBucketName?: string | undefined;
  /** @defaultValue the raw bucket; with `separateBuckets` one is created */
  readonly aggregatedBucketName?: string | undefined;
  /** Create a bucket of its own for aggregated logs. */
  readonly separateBuckets: boolean;
  /** @defaultValue a created bucket is encrypted with S3's own keys */
  readonly rawKmsKeyArn?: string | undefined;
  /** @defaultValue that of a shared bucket, otherwise as `rawKmsKeyArn` */
  readonly aggregatedKmsKeyArn?: string | undefined;
  /** Prefix of raw logs: `raw/`. */
  readonly rawRoot: string;
  /**
   * Days after which raw logs expire, for a bucket that is created.
   *
   * @defaultValue they do not
   */
  readonly rawExpiration?: number | undefined;
}

/**
 * The raw and the aggregated bucket, which may be one. A bucket that is named exists and is not changed; others are created,
 * and are kept when the stack is deleted.
 */
export class Buckets extends Construct {
  readonly raw: LogBucket;
  readonly aggregated: LogBucket;
  private accessLogs: Bucket | undefined;

  constructor(scope: Construct, id: string, props: BucketsProps) {
    super(scope, id);
    const shared = isShared(props);
    const rawKey = this.key('RawKey', props.rawKmsKeyArn);
    this.raw = this.bucket('Raw', props.rawBucketName, rawKey, rawRules(props));
    this.aggregated = shared
      ? this.raw
      : this.bucket(
          'Aggregated',
          props.aggregatedBucketName,
          this.key('AggregatedKey', props.aggregatedKmsKeyArn),
          [],
        );
  }

  private key(id: string, arn: string | undefined): IKey | undefined {
    return arn === undefined ? undefined : Key.fromKeyArn(this, id, arn);
  }

  private bucket(
    id: string,
    name: string | undefined,
    encryptionKey: IKey | undefined,
    rules: LifecycleRule[],
  ): LogBucket {
    if (name === undefined) return this.create(id, encryptionKey, rules);
    if (name.startsWith('arn:')) return accessPoint(name, encryptionKey);
    return Bucket.fromBucketAttributes(this, id, {
      bucketName: name,
      ...(encryptionKey === undefined ? {} : { encryptionKey }),
    });
  }

  private create(id: string, encryptionKey: IKey | undefined, rules: LifecycleRule[]): Bucket {
    this.accessLogs ??= new Bucket(this, 'AccessLogs', {
      ...safe([{ id: 'ExpireAccessLogs', expiration: ACCESS_LOG_RETENTION }]),
      encryption: BucketEncryption.S3_MANAGED,
    });
    return new Bucket(this, id, {
      ...safe(rules),
      ...(encryptionKey === undefined
        ? { encryption: BucketEncryption.S3_MANAGED }
        : { encryption: BucketEncryption.KMS, encryptionKey, bucketKeyEnabled: true }),
      // CDK declares `isWebsite` as possibly undefined here, and as optional there.
      serverAccessLogsBucket: this.accessLogs as IBucket,
      serverAccessLogsPrefix: `${id.toLowerCase()}/`,
    });
  }
}

/** An access point in the place of a bucket: https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-points-policies.html */
function accessPoint(arn: string, encryptionKey: IKey | undefined): LogBucket {
  return {
    bucketName: arn,
    bucketArn: arn,
    encryptionKey,
    arnForObjects: (keys) => `${arn}/object/${keys}`,
  };
}

/** True if raw and aggregated logs share a bucket. */
export function isShared({
  rawBucketName,
  aggregatedBucketName,
  separateBuckets,
}: Omit<BucketsProps, 'rawRoot'>): boolean {
  return aggregatedBucketName === undefined ? !separateBuckets : aggregatedBucketName === rawBucketName;
}

function rawRules({ rawRoot, rawExpiration }: BucketsProps): LifecycleRule[] {
  if (rawExpiration === undefined) return [];
  return [{ id: 'ExpireRaw', prefix: rawRoot, expiration: Duration.days(rawExpiration) }];
}

/** Properties of every bucket that is created: TLS only, not public, kept, unfinished uploads aborted after a day. */
function safe(rules: LifecycleRule[]) {
  return {
    enforceSSL: true,
    minimumTLSVersion: 1.2,
    blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
    objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
    // RetainExceptOnCreate: a bucket that a failed first deployment made goes with it.
    // https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-attribute-deletionpolicy.html
    removalPolicy: RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
    lifecycleRules: [{ id: 'AbortUploads', abortIncompleteMultipartUploadAfter: Duration.days(1) }, ...rules],
  } satisfies BucketProps;
}

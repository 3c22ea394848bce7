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

export interface BucketsProps {
  readonly rawBucketName?: string | undefined;
  readonly aggregatedBucketName?: string | undefined;
  readonly separateBuckets: boolean;
  readonly rawKmsKeyArn?: string | undefined;
  readonly aggregatedKmsKeyArn?: string | undefined;
  readonly rawRoot: string;
  readonly rawExpiration?: number | undefined;
}

/**
 * The raw and the aggregated bucket, which may be one: those that are named exist and are left as they are, the
 * others are created, and stay when the stack goes.
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

/** True where raw and aggregated logs share a bucket. */
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

function safe(rules: LifecycleRule[]) {
  return {
    enforceSSL: true,
    minimumTLSVersion: 1.2,
    blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
    objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
    removalPolicy: RemovalPolicy.RETAIN,
    lifecycleRules: [{ id: 'AbortUploads', abortIncompleteMultipartUploadAfter: Duration.days(1) }, ...rules],
  } satisfies BucketProps;
}

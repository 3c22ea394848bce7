import { App, Stack, type StackProps } from 'aws-cdk-lib';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { Topic } from 'aws-cdk-lib/aws-sns';
import type { Construct } from 'constructs';
import { LogRollup, addOutputs } from 's3-log-rollup/cdk';

/** A rollup beside buckets and a topic that exist. */
class LogsStack extends Stack {
  constructor(scope: Construct, id: string, props?: StackProps) {
    super(scope, id, props);
    const rollup = new LogRollup(this, 'Rollup', {
      rawBucket: Bucket.fromBucketName(this, 'Raw', 'application-logs'),
      aggregatedBucket: Bucket.fromBucketName(this, 'Aggregated', 'application-logs-aggregated'),
      streams: [{ name: 'checkout' }, { name: 'audit', source: 'audit/{yyyy}/{MM}/{dd}/{HH}/', minute: 20 }],
      engine: { codec: 'zstd', lookBackHours: 6 },
      alarmTopic: Topic.fromTopicArn(this, 'OnCall', this.formatArn({ service: 'sns', resource: 'on-call' })),
    });
    // For `s3-rollup status --stack Logs` and the like.
    addOutputs(rollup);
  }
}

new LogsStack(new App(), 'Logs');

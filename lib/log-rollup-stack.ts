import { Annotations, Aws, Stack, type StackProps } from 'aws-cdk-lib';
import { type ISubnet, SecurityGroup, Subnet, Vpc } from 'aws-cdk-lib/aws-ec2';
import { type IKey, Key } from 'aws-cdk-lib/aws-kms';
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { Code } from 'aws-cdk-lib/aws-lambda';
import { Topic, type ITopic } from 'aws-cdk-lib/aws-sns';
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import { S3_SERVER_ACCESS_LOGS_USE_BUCKET_POLICY } from 'aws-cdk-lib/cx-api';
import type { Construct } from 'constructs';
import { Buckets } from './buckets.ts';
import type { ContextValues, StackSettings } from './config/context-values.ts';
import { parseContext } from './config/context.ts';
import { pickEngine } from './config/engine.ts';
import { LogRollup } from './log-rollup.ts';
import { addOutputs } from './outputs.ts';

/** Properties of `LogRollupStack`. */
export interface LogRollupStackProps extends StackProps {
  /**
   * Values of the stack, which docs/deploy.md lists.
   *
   * @defaultValue for each as it is there; `stackName` is the name of this stack
   */
  readonly settings?: ContextValues | undefined;
  /** @defaultValue lambda/handler.ts */
  readonly entry?: string | undefined;
  /** Code that was bundled already, in place of `entry`. */
  readonly code?: Code | undefined;
  /** Code of the steps that was bundled already, where `code` has none of them; with the setting `fanOut`. */
  readonly stepsCode?: Code | undefined;
}

/**
 * Buckets, `LogRollup`, topic and outputs: all that an account needs.
 *
 * @example
 * new LogRollupStack(app, 'LogRollup', {
 *   settings: { rawBucketName: 'application-logs', streams: [{ name: 'checkout' }], alarmEmail: 'on-call@example.com' },
 * });
 * @throws InvalidConfiguration that names every value that is wrong
 */
export class LogRollupStack extends Stack {
  readonly rollup: LogRollup;

  constructor(
    scope: Construct,
    id: string,
    { settings: given = {}, entry, code, stepsCode, ...props }: LogRollupStackProps = {},
  ) {
    super(scope, id, { description: 'Rolls hours of raw S3 logs up into 32 MiB outputs', ...props });
    const settings = parseContext({ stackName: this.stackName, ...given });
    // S3 may write access logs by the bucket's policy: the buckets here have no ACLs.
    this.node.setContext(S3_SERVER_ACCESS_LOGS_USE_BUCKET_POLICY, true);
    const { memorySize, timeoutSeconds, reservedConcurrency, directConcurrency } = settings;
    const encryptionKey =
      settings.kmsKeyArn === undefined ? undefined : Key.fromKeyArn(this, 'Key', settings.kmsKeyArn);
    const { raw, aggregated } = new Buckets(this, 'Buckets', settings);
    this.rollup = new LogRollup(this, 'Rollup', {
      rawBucket: raw,
      rawRoot: settings.rawRoot,
      aggregatedBucket: aggregated,
      aggregatedRoot: settings.aggregatedRoot,
      streams: settings.streams,
      engine: pickEngine(settings),
      memorySize,
      timeoutSeconds,
      reservedConcurrency,
      directConcurrency,
      logRetention: settings.logRetentionDays,
      tracing: settings.tracing,
      emptyHourAlarm: settings.emptyHourAlarm,
      alarmTopic: this.alarmTopic(settings, encryptionKey),
      pageTopic: this.topic('PageTopic', settings.pageTopicArn),
      encryptionKey,
      ...this.network(settings),
      proxy:
        settings.httpsProxy === undefined
          ? undefined
          : { url: settings.httpsProxy, except: settings.noProxy },
      deployment: settings.deployment,
      runbookUrl: settings.runbookUrl,
      serviceName: settings.stackName,
      entry,
      code,
      stepsCode,
    });
    addOutputs(this.rollup);
  }

  private topic(id: string, arn: string | undefined): ITopic | undefined {
    return arn === undefined ? undefined : Topic.fromTopicArn(this, id, arn);
  }

  /** The VPC by the ids of what it has: nothing is looked up, so that synthesis needs no credentials. */
  private network({ vpcId, subnetIds = [], securityGroupIds }: StackSettings) {
    if (vpcId === undefined) return {};
    const vpc = Vpc.fromVpcAttributes(this, 'Vpc', { vpcId, availabilityZones: this.availabilityZones });
    return {
      vpc,
      vpcSubnets: { subnets: subnetIds.map((id) => this.subnet(id)) },
      securityGroups: securityGroupIds?.map((id) => SecurityGroup.fromSecurityGroupId(this, id, id)),
    };
  }

  private subnet(id: string): ISubnet {
    const subnet = Subnet.fromSubnetId(this, id, id);
    // Nobody asks for its route table.
    Annotations.of(subnet).acknowledgeWarning('@aws-cdk/aws-ec2:noSubnetRouteTableId');
    return subnet;
  }

  private alarmTopic(
    { alarmTopicArn, alarmEmail }: StackSettings,
    masterKey: IKey | undefined,
  ): ITopic | undefined {
    if (alarmTopicArn !== undefined) return this.topic('AlarmTopic', alarmTopicArn);
    if (alarmEmail === undefined) return undefined;
    const topic = new Topic(this, 'AlarmTopic', {
      enforceSSL: true,
      ...(masterKey === undefined ? {} : { masterKey }),
    });
    // A policy takes the place of the default one, by which CloudWatch may publish:
    // https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html#alarms-and-actions-SNS
    topic.addToResourcePolicy(
      new PolicyStatement({
        sid: 'PublishAlarms',
        principals: [new ServicePrincipal('cloudwatch.amazonaws.com')],
        actions: ['sns:Publish'],
        resources: [topic.topicArn],
        conditions: { StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID } },
      }),
    );
    topic.addSubscription(new EmailSubscription(alarmEmail));
    return topic;
  }
}

import type { RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { Engine, EngineProps } from '../../lambda/settings/input.ts';
import type { DeploymentKind } from '../log-rollup-props.ts';
import type { Capacity, CapacityProps } from './capacity.ts';
import type { StreamProps } from './streams.ts';

/** Values of a stack that have no default. */
interface OptionalValues {
  /**
   * Name of an existing bucket of raw logs, or the ARN of an access point.
   *
   * @defaultValue a bucket is created
   */
  readonly rawBucketName?: string | undefined;
  /** ARN of the KMS key of raw logs. */
  readonly rawKmsKeyArn?: string | undefined;
  /** Days after which raw logs expire, for a bucket that is created. */
  readonly rawExpiration?: number | undefined;
  /**
   * Name of an existing bucket for rollups, or the ARN of an access point.
   *
   * @defaultValue the raw bucket; with `separateBuckets` one is created
   */
  readonly aggregatedBucketName?: string | undefined;
  /** ARN of the KMS key of the bucket for rollups. */
  readonly aggregatedKmsKeyArn?: string | undefined;
  /** Existing topic for all alarms. */
  readonly alarmTopicArn?: string | undefined;
  /** Address that a new topic sends all alarms to. */
  readonly alarmEmail?: string | undefined;
  /** Topic that is notified once if any hour was not rolled up. */
  readonly pageTopicArn?: string | undefined;
  /** ARN of the key of queues, log groups, the topic that is created, and the functions' variables. */
  readonly kmsKeyArn?: string | undefined;
  /** VPC that the functions run in. */
  readonly vpcId?: string | undefined;
  /** Subnets of the VPC. */
  readonly subnetIds?: string[] | undefined;
  /** Security groups of the functions. */
  readonly securityGroupIds?: string[] | undefined;
  /** URL of the proxy by which the functions reach AWS, without user and password. */
  readonly httpsProxy?: string | undefined;
  /** Hosts that they reach without it, with commas. */
  readonly noProxy?: string | undefined;
}

/** Values of a stack that have a default. */
interface DefaultedValues {
  /** Name of the stack, and value of the metrics' dimension `service`. */
  readonly stackName: string;
  /** Prefix that every source is under: `raw/`. */
  readonly rawRoot: string;
  /** Prefix that every rollup is under: `aggregated/`. */
  readonly aggregatedRoot: string;
  /** Create a bucket of its own for rollups. */
  readonly separateBuckets: boolean;
  /** Retention of the functions' logs: a month. */
  readonly logRetentionDays: RetentionDays;
  /** Send traces to X-Ray. */
  readonly tracing: boolean;
  /** Alarm on every hour that is rolled up without a source. */
  readonly emptyHourAlarm: boolean;
  /** How a new version of the function takes over: `off`, it is replaced. */
  readonly deployment: DeploymentKind;
  /** URL of docs/runbook.md, to whose sections alarms link. */
  readonly runbookUrl: string;
}

/**
 * The values of a stack, which docs/deploy.md lists with their defaults: settings of runs, memory and concurrency, buckets,
 * streams, alarms, network. Each may be left out.
 */
export interface ContextValues
  extends EngineProps, CapacityProps, OptionalValues, Partial<Given<DefaultedValues>> {
  /** The streams that are rolled up every hour. */
  readonly streams?: readonly StreamProps[] | undefined;
}

type Given<Values> = { [Name in keyof Values]: Values[Name] | undefined };

/** Context values that were checked, with defaults. */
export interface StackSettings extends Engine, Capacity, OptionalValues, DefaultedValues {
  readonly streams: readonly StreamProps[] | undefined;
}

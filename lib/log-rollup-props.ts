import type { ISecurityGroup, IVpc, SubnetSelection } from 'aws-cdk-lib/aws-ec2';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { Code } from 'aws-cdk-lib/aws-lambda';
import type { RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import { DEFAULT_SETTINGS } from '../lambda/settings/settings.ts';
import type { CapacityProps } from './config/capacity.ts';
import {
  type Capacity,
  capacitySchema,
  outputsInFlightOf,
  refuseTooLittleMemory,
} from './config/capacity.ts';
import type { EngineProps } from './config/engine.ts';
import { type Engine, engineSchema } from './config/engine.ts';
import { InvalidConfiguration, formatIssues } from './config/invalid-configuration.ts';
import { PROXY_USER, hasUser } from './config/proxy.ts';
import type { LogBucket, Root } from './config/root.ts';
import type { StreamProps } from './config/streams.ts';
import {
  DIRECTORY_BUCKET,
  formatRoot,
  isDirectoryBucket,
  prefixSchema,
  prefixesOverlap,
  rawPrefixSchema,
} from './config/root.ts';
import { DEFAULT_STREAMS, streamsSchema } from './config/streams.ts';

export const DEFAULT_RAW_ROOT = 'raw/';
export const DEFAULT_AGGREGATED_ROOT = 'aggregated/';

/** How a new version of the function takes over. */
export type DeploymentKind = 'off' | 'canary' | 'all-at-once';
export const DEPLOYMENT_KINDS = ['off', 'canary', 'all-at-once'] as const satisfies readonly DeploymentKind[];

/** The network and the encryption of everything that the stack creates besides buckets. */
export interface Surroundings {
  /**
   * VPC that the functions run in. It needs a way to S3, SQS, and with fan-out to Step Functions: docs/deploy.md.
   *
   * @defaultValue no VPC
   */
  readonly vpc?: IVpc | undefined;
  /** @defaultValue the private subnets of the VPC */
  readonly vpcSubnets?: SubnetSelection | undefined;
  /** @defaultValue one that is created, which lets everything out and nothing in */
  readonly securityGroups?: ISecurityGroup[] | undefined;
  /**
   * HTTP proxy by which the functions reach AWS, its URL without user and password, and the hosts that they reach without it,
   * separated by commas.
   *
   * @defaultValue no proxy
   */
  readonly proxy?: { readonly url: string; readonly except?: string | undefined } | undefined;
  /**
   * Key of the queues, the log groups and the functions' variables. Its policy must admit CloudWatch Logs: docs/deploy.md.
   *
   * @defaultValue keys of AWS
   */
  readonly encryptionKey?: IKey | undefined;
}

/** A stream that was checked. */
export interface RootedStream {
  readonly name: string;
  /** The template below the raw root, which may end anywhere. */
  readonly path: string;
  /** The whole template, `s3://bucket/raw/checkout/{yyyy}{MM}{dd}/{HH}/`; the bucket's name may be a token. */
  readonly source: string;
  readonly minute: number;
}

/** Properties that were checked, with defaults. */
export interface ParsedLogRollupProps {
  readonly raw: Root;
  readonly aggregated: Root;
  readonly streams: readonly RootedStream[];
  readonly engine: Engine;
  readonly capacity: Capacity;
}

/**
 * Checks the properties. Names of buckets are compared as they are given, tokens included.
 *
 * @throws InvalidConfiguration that names every property that is wrong
 */
export function parseLogRollupProps(props: LogRollupProps): ParsedLogRollupProps {
  const raw = { bucket: props.rawBucket, prefix: props.rawRoot ?? DEFAULT_RAW_ROOT };
  const aggregated = {
    bucket: props.aggregatedBucket ?? props.rawBucket,
    prefix: props.aggregatedRoot ?? DEFAULT_AGGREGATED_ROOT,
  };
  const { memorySize, timeoutSeconds, reservedConcurrency, directConcurrency } = props;
  const capacity = capacitySchema.safeParse({
    memorySize,
    timeoutSeconds,
    reservedConcurrency,
    directConcurrency,
  });
  const engine = engineSchema.safeParse(props.engine ?? {});
  const memory = capacitySchema
    .superRefine((sound, context) => {
      refuseTooLittleMemory(sound, engine.data ?? {}, context);
    })
    .safeParse(capacity.data ?? {});
  const streams = streamsSchema(
    formatRoot(raw),
    formatRoot(aggregated),
    engine.data?.graceSeconds ?? DEFAULT_SETTINGS.graceSeconds,
  ).safeParse(props.streams ?? DEFAULT_STREAMS);
  const problems = [
    ...formatIssues(rawPrefixSchema.safeParse(raw.prefix).error?.issues ?? [], ['rawRoot']),
    ...formatIssues(prefixSchema.safeParse(aggregated.prefix).error?.issues ?? [], ['aggregatedRoot']),
    ...bucketProblems('rawBucket', raw),
    ...(props.aggregatedBucket === undefined ? [] : bucketProblems('aggregatedBucket', aggregated)),
    ...overlapProblems(raw, aggregated),
    ...(hasUser(props.proxy?.url ?? '') ? [`proxy.url: ${PROXY_USER}`] : []),
    ...formatIssues(capacity.error?.issues ?? []),
    ...formatIssues(memory.error?.issues ?? []),
    ...formatIssues(engine.error?.issues ?? [], ['engine']),
    ...formatIssues(streams.error?.issues ?? [], ['streams']),
  ];
  if (problems.length > 0 || !capacity.success || !engine.success || !streams.success) {
    throw new InvalidConfiguration('Invalid LogRollup properties', problems);
  }
  const rooted = streams.data.map(({ name, path, minute }) => ({
    name,
    path,
    source: `${formatRoot(raw)}${path}`,
    minute,
  }));
  const outputsInFlight = outputsInFlightOf(engine.data, capacity.data);
  const whole = { ...engine.data, outputsInFlight };
  return { raw, aggregated, streams: rooted, engine: whole, capacity: capacity.data };
}

function bucketProblems(property: string, { bucket: { bucketName } }: Root): string[] {
  return isDirectoryBucket(bucketName) ? [`${property}: ${DIRECTORY_BUCKET}`] : [];
}

function overlapProblems(raw: Root, aggregated: Root): string[] {
  if (raw.bucket.bucketName !== aggregated.bucket.bucketName) return [];
  if (!prefixesOverlap(raw.prefix, aggregated.prefix)) return [];
  return [`aggregatedRoot: "${aggregated.prefix}" and rawRoot "${raw.prefix}" overlap in one bucket`];
}

/**
 * Properties of `LogRollup`.
 *
 * @example
 * new LogRollup(this, 'Rollup', {
 *   rawBucket,
 *   streams: [{ name: 'checkout' }, { name: 'audit', source: 'audit/{yyyy}/{MM}/{dd}/{HH}/', minute: 20 }],
 *   engine: { targetSize: '64MiB' },
 * });
 */
export interface LogRollupProps extends CapacityProps, Surroundings {
  /**
   * The bucket of raw logs. If it has an `encryptionKey`, the function is permitted to use the key; the policies of buckets
   * and keys are not changed.
   */
  readonly rawBucket: LogBucket;
  /**
   * Prefix that every source is under, which ends with a slash; empty for the whole bucket. It may begin with a slash and have
   * empty segments.
   *
   * @defaultValue `raw/`
   */
  readonly rawRoot?: string | undefined;
  /**
   * The bucket of rollups.
   *
   * @defaultValue the raw bucket
   */
  readonly aggregatedBucket?: LogBucket | undefined;
  /**
   * Prefix that every rollup is under. In one bucket neither root may lie inside the other.
   *
   * @defaultValue `aggregated/`
   */
  readonly aggregatedRoot?: string | undefined;
  /**
   * The streams that are rolled up every hour.
   *
   * @defaultValue one stream, `default`, with the source `{yyyy}{MM}{dd}/{HH}/` under the raw root
   */
  readonly streams?: readonly StreamProps[] | undefined;
  /**
   * Settings of every run.
   *
   * @defaultValue the function's own defaults, which lambda/settings lists
   */
  readonly engine?: EngineProps | undefined;
  /** @defaultValue a month */
  readonly logRetention?: RetentionDays | undefined;
  /**
   * Send traces to X-Ray.
   *
   * @defaultValue false
   */
  readonly tracing?: boolean | undefined;
  /**
   * Alarm on every hour that is rolled up without a source: for streams that never have one.
   *
   * @defaultValue false
   */
  readonly emptyHourAlarm?: boolean | undefined;
  /**
   * Topic that is notified when an alarm begins and when it ends.
   *
   * @defaultValue alarms have no actions
   */
  readonly alarmTopic?: ITopic | undefined;
  /**
   * Topic that is notified once if any hour was not rolled up, whatever the reason: for whoever is on call.
   *
   * @defaultValue the alarm that stands for it has no action
   */
  readonly pageTopic?: ITopic | undefined;
  /**
   * How a new version of the function takes over. `canary`: half of the requests go to it for 65 minutes, in which each
   * schedule is due, and the old one comes back if any run of the new one fails. `all-at-once`: all of them, with the same way
   * back for as long as CodeDeploy looks.
   *
   * @defaultValue `off`: the function is replaced
   */
  readonly deployment?: DeploymentKind | undefined;
  /**
   * URL of docs/runbook.md, to whose sections alarms link.
   *
   * @defaultValue `docs/runbook.md`
   */
  readonly runbookUrl?: string | undefined;
  /**
   * Value of the metrics' dimension `service`, unique in account and region.
   *
   * @defaultValue made from the construct's path
   */
  readonly serviceName?: string | undefined;
  /**
   * File of a handler, which is bundled with esbuild, in place of the code that the package brings.
   *
   * @defaultValue the package's own code; in its repository, where that is not built, lambda/handler.ts is bundled
   */
  readonly entry?: string | undefined;
  /**
   * Code that was bundled already, in place of `entry`. Its handler is `index.handler`; with the setting `fanOut` it also has
   * `steps.handler`, that of lambda/step-handler.ts, unless there is `stepsCode`.
   *
   * @defaultValue the package's own code
   */
  readonly code?: Code | undefined;
  /**
   * Code of the steps that was bundled already, with the handler `index.handler`. For `code` and with the setting `fanOut` alone.
   *
   * @defaultValue `code`, and its `steps.handler`
   */
  readonly stepsCode?: Code | undefined;
}

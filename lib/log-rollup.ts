import { Duration, Names } from 'aws-cdk-lib';
import type { Alarm } from 'aws-cdk-lib/aws-cloudwatch';
import type { Code, IFunction } from 'aws-cdk-lib/aws-lambda';
import { RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import { DEFAULT_SETTINGS } from '../lambda/settings/settings.ts';
import { Alarms } from './monitoring/alarms.ts';
import type { CapacityProps } from './config/capacity.ts';
import type { EngineProps } from './config/engine.ts';
import { FanOut } from './fan-out.ts';
import { parseLogRollupProps, type RootedStream } from './log-rollup-props.ts';
import { RollupQueues } from './queues.ts';
import { RollupDashboard } from './monitoring/dashboard.ts';
import { RollupFunction } from './rollup-function.ts';
import type { LogBucket, Root } from './config/root.ts';
import { Schedules } from './schedules.ts';
import type { StreamProps } from './config/streams.ts';

export interface LogRollupProps extends CapacityProps {
  /**
   * Where raw logs are. A bucket with an `encryptionKey` gets the function permission to use the key; the policies
   * of buckets and keys themselves are left alone.
   */
  readonly rawBucket: LogBucket;
  /** Default: `raw/`. */
  readonly rawRoot?: string | undefined;
  /** Default: the raw bucket. */
  readonly aggregatedBucket?: LogBucket | undefined;
  /** Default: `aggregated/`. */
  readonly aggregatedRoot?: string | undefined;
  /** Default: one stream, `{yyyy}{MM}{dd}/{HH}/` under the raw root. */
  readonly streams?: readonly StreamProps[] | undefined;
  readonly engine?: EngineProps | undefined;
  /** Default: a month. */
  readonly logRetention?: RetentionDays | undefined;
  /** X-Ray. Default: off. */
  readonly tracing?: boolean | undefined;
  /** Takes every alarm, and its end. Default: alarms without actions. */
  readonly alarmTopic?: ITopic | undefined;
  /** Where docs/runbook.md can be read; alarms link to its sections. Default: `docs/runbook.md`. */
  readonly runbookUrl?: string | undefined;
  /** Value of the metrics' `service` dimension, unique in account and region. Default: made from the construct's path. */
  readonly serviceName?: string | undefined;
  /** The handler's source. Default: lambda/handler.ts of this package. */
  readonly entry?: string | undefined;
  /** Code that was bundled already, instead of `entry`; its handler is `index.handler`. */
  readonly code?: Code | undefined;
}

/**
 * Schedules -> queue -> function -> dead-letter queue, with alarms and a dashboard, over buckets that are given.
 * Throws `InvalidConfiguration`, which names every property that is wrong.
 */
export class LogRollup extends Construct {
  readonly raw: Root;
  readonly aggregated: Root;
  readonly streams: readonly RootedStream[];
  /** Whether requests for other prefixes than those of streams are carried out. */
  readonly allowAnyPrefix: boolean;
  readonly queues: RollupQueues;
  readonly function: IFunction;
  /** For large requests, where it is on. */
  readonly fanOut: FanOut | undefined;
  readonly alarms: readonly Alarm[];
  readonly dashboard: RollupDashboard;

  constructor(scope: Construct, id: string, props: LogRollupProps) {
    super(scope, id);
    const { raw, aggregated, streams, engine, capacity } = parseLogRollupProps(props);
    this.raw = raw;
    this.aggregated = aggregated;
    this.streams = streams;
    this.allowAnyPrefix = engine.allowAnyPrefix ?? DEFAULT_SETTINGS.allowAnyPrefix;
    const timeout = Duration.seconds(capacity.timeoutSeconds);
    const serviceName =
      props.serviceName ?? Names.uniqueResourceName(this, { maxLength: 100, separator: '-' });

    this.queues = new RollupQueues(this, 'Queues', { functionTimeout: timeout });
    const functionProps = {
      raw,
      aggregated,
      streams,
      queues: this.queues,
      capacity,
      serviceName,
      logRetention: props.logRetention ?? RetentionDays.ONE_MONTH,
      tracing: props.tracing ?? false,
      engine,
      code: props.code,
    };
    if (engine.fanOut === true) this.fanOut = new FanOut(this, 'FanOut', { ...functionProps, engine });
    this.function = new RollupFunction(this, 'Rollup', {
      ...functionProps,
      entry: props.entry,
      stateMachineArn: this.fanOut?.stateMachine.stateMachineArn,
    }).function;
    new Schedules(this, 'Schedules', { streams, queues: this.queues });
    this.alarms = new Alarms(this, 'Alarms', {
      function: this.function,
      queues: this.queues,
      streams: streams.map(({ name }) => name),
      serviceName,
      timeout,
      topic: props.alarmTopic,
      runbookUrl: props.runbookUrl ?? 'docs/runbook.md',
    }).all;
    this.dashboard = new RollupDashboard(this, 'Overview', {
      function: this.function,
      queues: this.queues,
      capacity,
      serviceName,
      alarms: this.alarms,
    });
  }
}

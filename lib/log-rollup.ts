import { Duration, Names } from 'aws-cdk-lib';
import type { Alarm } from 'aws-cdk-lib/aws-cloudwatch';
import { type IVpc, SecurityGroup } from 'aws-cdk-lib/aws-ec2';
import type { IRole } from 'aws-cdk-lib/aws-iam';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import { RetentionDays } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { DEFAULT_SETTINGS } from '../lambda/settings/settings.ts';
import type { Root } from './config/root.ts';
import { FanOut } from './fan-out.ts';
import { type LogRollupProps, type RootedStream, parseLogRollupProps } from './log-rollup-props.ts';
import { Alarms } from './monitoring/alarms.ts';
import { RollupDashboard } from './monitoring/dashboard.ts';
import { RollupQueues } from './queues.ts';
import { RollupFunction } from './rollup-function.ts';
import { Schedules } from './schedules.ts';
import { refuseTooManyResources } from './stack-resources.ts';

/**
 * Schedules -> queue -> function -> dead-letter queue, with alarms and a dashboard, over existing buckets.
 *
 * @throws InvalidConfiguration that names every property that is wrong
 */
export class LogRollup extends Construct {
  readonly raw: Root;
  readonly aggregated: Root;
  readonly streams: readonly RootedStream[];
  /** True if requests for prefixes that are no hour of a stream are carried out. */
  readonly allowAnyPrefix: boolean;
  readonly queues: RollupQueues;
  readonly function: IFunction;
  /** What is to be invoked: the function, or with `deployment` the alias of the version in use. */
  readonly live: IFunction;
  /** The function's role, which buckets and keys of other accounts must admit. */
  readonly functionRole: IRole;
  /** The state machine of large requests; undefined without the setting `fanOut`. */
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

    const { encryptionKey, vpc } = props;
    this.queues = new RollupQueues(this, 'Queues', { functionTimeout: timeout, encryptionKey });
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
      encryptionKey,
      vpc,
      vpcSubnets: props.vpcSubnets,
      securityGroups: props.securityGroups ?? (vpc === undefined ? undefined : [this.securityGroup(vpc)]),
      proxy: props.proxy,
    };
    if (engine.fanOut === true)
      this.fanOut = new FanOut(this, 'FanOut', { ...functionProps, stepsCode: props.stepsCode });
    const rollup = new RollupFunction(this, 'Rollup', {
      ...functionProps,
      entry: props.entry,
      stateMachineArn: this.fanOut?.stateMachine.stateMachineArn,
      deployment: props.deployment,
    });
    this.function = rollup.function;
    this.live = rollup.live;
    this.functionRole = rollup.role;
    new Schedules(this, 'Schedules', { streams, queues: this.queues, encryptionKey });
    this.alarms = new Alarms(this, 'Alarms', {
      function: this.function,
      queues: this.queues,
      fanOut: this.fanOut,
      streams: streams.map(({ name }) => name),
      serviceName,
      timeout,
      emptyHours: props.emptyHourAlarm,
      topic: props.alarmTopic,
      pageTopic: props.pageTopic,
      runbookUrl: props.runbookUrl ?? 'docs/runbook.md',
    }).all;
    this.dashboard = new RollupDashboard(this, 'Overview', {
      function: this.function,
      queues: this.queues,
      fanOut: this.fanOut,
      streams: streams.map(({ name }) => name),
      capacity,
      sizes: {
        part: engine.partSize ?? DEFAULT_SETTINGS.partSize,
        target: engine.targetSize ?? DEFAULT_SETTINGS.targetSize,
      },
      serviceName,
      alarms: this.alarms,
    });
    refuseTooManyResources(this, streams.length, props.emptyHourAlarm ?? false);
  }

  /** One for the functions of the rollup and of the steps, which interface endpoints can admit. */
  private securityGroup(vpc: IVpc): SecurityGroup {
    return new SecurityGroup(this, 'SecurityGroup', {
      vpc,
      description: 'Functions of the log rollup: everything out, nothing in',
    });
  }
}

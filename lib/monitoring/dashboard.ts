import { Aws, Duration } from 'aws-cdk-lib';
import {
  AlarmStatusWidget,
  Color,
  Dashboard,
  GraphWidget,
  type Alarm,
  type IMetric,
  type IWidget,
} from 'aws-cdk-lib/aws-cloudwatch';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';
import { METRICS } from '../../lambda/names.ts';
import { DESCRIPTOR_ALARM, DURATION_ALARM_SHARE } from './alarms.ts';
import type { Capacity } from '../config/capacity.ts';
import type { FanOut } from '../fan-out.ts';
import type { RollupQueues } from '../queues.ts';
import { MOST_IN_WIDGET, chunks, everyStream } from './stream-metrics.ts';

// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
const DESCRIPTOR_LIMIT = 1_024;
/** The most connections that the function's one agent ever opens. */
const CONNECTION_LIMIT = 250;

/** A horizontal line in a graph. */
interface Line {
  readonly value: number;
  readonly label: string;
}

/** Properties of `RollupDashboard`. */
export interface RollupDashboardProps {
  readonly function: IFunction;
  readonly queues: RollupQueues;
  /** Undefined without the setting `fanOut`. */
  readonly fanOut?: Pick<FanOut, 'function' | 'stateMachine'> | undefined;
  /** Names of the streams. */
  readonly streams: readonly string[];
  readonly capacity: Capacity;
  readonly serviceName: string;
  readonly alarms: readonly Alarm[];
}

/** Graphs of the work done, of how close runs come to their limits, and of the queues. */
export class RollupDashboard extends Construct {
  readonly dashboard: Dashboard;

  constructor(scope: Construct, id: string, props: RollupDashboardProps) {
    super(scope, id);
    this.dashboard = new Dashboard(this, 'Dashboard', {
      defaultInterval: Duration.days(2),
      widgets: [
        ...chunks(props.alarms, MOST_IN_WIDGET).map((alarms) => [
          new AlarmStatusWidget({ title: 'Alarms', alarms, width: 24, height: 3 }),
        ]),
        // The questions of a report, in its order: is everything rolled up, how much is it, how near are the limits, what does it cost.
        rolledUpRow(props),
        queueRow(props.queues, props.function),
        volumeRow(props),
        ...limitRows(props),
        costRow(props),
        ...(props.fanOut === undefined ? [] : [fanOutRow(props.fanOut, props.capacity)]),
      ],
    });
  }

  /** URL in the console of the commercial regions. */
  get url(): string {
    const { REGION } = Aws;
    return `https://${REGION}.console.aws.amazon.com/cloudwatch/home?region=${REGION}#dashboards:name=${this.dashboard.dashboardName}`;
  }
}

/** Sums of metrics of every stream, a graph or more each. */
function sums(
  { serviceName, streams }: RollupDashboardProps,
  ...titled: [title: string, ...metrics: string[]][]
): IWidget[] {
  return titled.flatMap(([title, ...metrics]) =>
    graphs(
      title,
      metrics.map((metric) => everyStream(serviceName, streams, metric, 'Sum')),
    ),
  );
}

function rolledUpRow(props: RollupDashboardProps): IWidget[] {
  const period = Duration.minutes(5);
  const sum = { statistic: 'Sum', period };
  return [
    ...sums(props, [
      'Hours committed, updated by late logs, empty',
      METRICS.hoursCommitted,
      METRICS.hoursUpdated,
      METRICS.hoursEmpty,
    ]),
    ...graphs('Failures', [everyStream(props.serviceName, props.streams, METRICS.failures, 'Sum', period)]),
    graph('Runs failed and refused', [
      props.function.metricErrors(sum),
      props.function.metricThrottles(sum),
      props.function.metric('RecursiveInvocationsDropped', sum),
    ]),
  ];
}

function volumeRow(props: RollupDashboardProps): IWidget[] {
  return sums(
    props,
    ['Objects rolled up', METRICS.objects],
    ['Bytes rolled up', METRICS.bytes],
    ['Outputs', METRICS.outputs],
  );
}

/** What is paid by use: time of the function, requests that were repeated, and outputs that were not written again. */
function costRow(props: RollupDashboardProps): IWidget[] {
  const sum = { statistic: 'Sum', period: Duration.hours(1) };
  return [
    graph('Time of runs, paid (ms)', [props.function.metricDuration({ ...sum, label: 'duration' })]),
    ...sums(props, ['S3 requests retried', METRICS.retries], ['Outputs reused', METRICS.reused]),
  ];
}

function limitRows({ function: rollup, capacity, serviceName, streams }: RollupDashboardProps): IWidget[][] {
  const period = Duration.minutes(5);
  const timeout = Duration.seconds(capacity.timeoutSeconds).toMilliseconds();
  const peaks = (metric: string) => [everyStream(serviceName, streams, metric, 'Maximum', period)];
  return [
    [
      graph(
        'Longest run (ms)',
        [rollup.metricDuration({ statistic: 'Maximum', period, label: 'duration' })],
        timeoutLines(timeout),
      ),
      ...graphs('File descriptors', peaks(METRICS.fileDescriptors), [
        { value: DESCRIPTOR_LIMIT, label: 'Lambda limit' },
        { value: DESCRIPTOR_ALARM, label: 'alarm' },
      ]),
      ...graphs('Connections', peaks(METRICS.connections), [{ value: CONNECTION_LIMIT, label: 'limit' }]),
    ],
    [
      ...graphs('Memory', peaks(METRICS.memory)),
      graph(
        'Runs at once',
        [rollup.metric('ConcurrentExecutions', { statistic: 'Maximum', period })],
        [{ value: capacity.reservedConcurrency, label: 'reserved' }],
      ),
    ],
  ];
}

function timeoutLines(timeout: number): Line[] {
  return [
    { value: timeout, label: 'timeout' },
    { value: timeout * DURATION_ALARM_SHARE, label: 'alarm' },
  ];
}

function fanOutRow(
  { function: steps, stateMachine }: NonNullable<RollupDashboardProps['fanOut']>,
  { timeoutSeconds }: Capacity,
): IWidget[] {
  const period = Duration.minutes(5);
  const sum = { statistic: 'Sum', period };
  return [
    graph('Large rollups: executions', [
      stateMachine.metricStarted(sum),
      stateMachine.metricSucceeded(sum),
      stateMachine.metricFailed(sum),
      stateMachine.metricTimedOut(sum),
      stateMachine.metricAborted(sum),
    ]),
    graph(
      'Large rollups: longest step (ms)',
      [steps.metricDuration({ statistic: 'Maximum', period, label: 'duration' })],
      timeoutLines(Duration.seconds(timeoutSeconds).toMilliseconds()),
    ),
    graph('Large rollups: steps', [
      steps.metricInvocations({ ...sum, label: 'steps' }),
      steps.metricErrors({ ...sum, label: 'failed' }),
      steps.metricThrottles({ ...sum, label: 'waited for room' }),
    ]),
  ];
}

function queueRow({ requests, deadLetters, undelivered }: RollupQueues, rollup: IFunction): IWidget[] {
  const depth = { statistic: 'Maximum', period: Duration.minutes(5) };
  return [
    graph('Requests', [
      requests.metricApproximateNumberOfMessagesVisible({ ...depth, label: 'waiting' }),
      requests.metricApproximateNumberOfMessagesNotVisible({
        ...depth,
        label: 'in work, or until the next attempt',
      }),
      rollup.metricInvocations({ statistic: 'Sum', period: depth.period, label: 'runs' }),
    ]),
    graph(
      'Oldest request (s)',
      [requests.metricApproximateAgeOfOldestMessage({ ...depth, label: 'age' })],
      [{ value: Duration.hours(1).toSeconds(), label: 'alarm' }],
    ),
    graph('Failed requests', [
      deadLetters.metricApproximateNumberOfMessagesVisible({ ...depth, label: 'dead letters' }),
      undelivered.metricApproximateNumberOfMessagesVisible({ ...depth, label: 'undelivered' }),
    ]),
  ];
}

/** A graph of metrics of streams; several where there are more streams than one holds. */
function graphs(title: string, metrics: IMetric[][][], limits: Line[] = []): GraphWidget[] {
  const count = Math.max(...metrics.map((ofGraphs) => ofGraphs.length));
  return Array.from({ length: count }, (_, i) =>
    graph(
      count === 1 ? title : `${title} (${i + 1} of ${count})`,
      metrics.flatMap((ofGraphs) => ofGraphs[i] ?? []),
      limits,
    ),
  );
}

function graph(title: string, left: IMetric[], limits: Line[] = []): GraphWidget {
  return new GraphWidget({
    title,
    left,
    leftYAxis: { min: 0 },
    leftAnnotations: limits.map((limit) => ({ ...limit, color: Color.RED })),
    width: 8,
    height: 6,
  });
}

import { Aws, Duration } from 'aws-cdk-lib';
import {
  AlarmStatusWidget,
  Color,
  Dashboard,
  GraphWidget,
  MathExpression,
  TextWidget,
  type Alarm,
  type IMetric,
  type IWidget,
} from 'aws-cdk-lib/aws-cloudwatch';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';
import { METRICS } from '../../lambda/names.ts';
import { PRICES } from '../../lambda/prices.ts';
import { DESCRIPTOR_ALARM, DURATION_ALARM_SHARE } from './alarms.ts';
import type { Capacity } from '../config/capacity.ts';
import type { FanOut } from '../fan-out.ts';
import type { RollupQueues } from '../queues.ts';
import { MOST_IN_WIDGET, chunks, everyStream, sumOfStreams } from './stream-metrics.ts';

// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
const DESCRIPTOR_LIMIT = 1_024;
/** The most connections that the function's one agent ever opens. */
const CONNECTION_LIMIT = 250;

/** Columns of a dashboard. */
const WIDTH = 24;
const [THIRD, QUARTER] = [WIDTH / 3, WIDTH / 4];
const HOUR = Duration.hours(1);

/** A horizontal line in a graph. */
interface Line {
  readonly value: number;
  readonly label: string;
}

interface GraphOptions {
  readonly limits?: readonly Line[];
  /** Of 24 columns. */
  readonly width?: number;
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
  /** Bytes of a part of a multipart upload, each of which is a request, and those at which an output closes. */
  readonly sizes: { readonly part: number; readonly target: number };
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
          new AlarmStatusWidget({ title: 'Alarms', alarms, width: WIDTH, height: 3 }),
        ]),
        // The questions of a report, in its order.
        heading('Is everything rolled up?'),
        rolledUpRow(props),
        queueRow(props.queues, props.function),
        heading('How much is it?'),
        volumeRow(props),
        heading('How near are the limits?'),
        ...limitRows(props),
        heading('What does it cost?'),
        costRow(props),
        ...(props.fanOut === undefined
          ? []
          : [heading('Large rollups, by fan-out'), fanOutRow(props.fanOut, props.capacity)]),
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
  titled: [title: string, ...metrics: string[]][],
  width = THIRD,
): IWidget[] {
  return titled.flatMap(([title, ...metrics]) =>
    graphs(
      title,
      metrics.map((metric) => everyStream(serviceName, streams, metric, 'Sum')),
      { width },
    ),
  );
}

function rolledUpRow(props: RollupDashboardProps): IWidget[] {
  const period = Duration.minutes(5);
  const sum = { statistic: 'Sum', period };
  return [
    ...sums(props, [
      [
        'Hours committed, updated by late logs, empty',
        METRICS.hoursCommitted,
        METRICS.hoursUpdated,
        METRICS.hoursEmpty,
      ],
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
  const { objects, outputs } = totals(props);
  const ratio = new MathExpression({
    expression: `${objects.expression} / ${outputs.expression}`,
    usingMetrics: { ...objects.usingMetrics, ...outputs.usingMetrics },
    label: 'objects for one output',
    period: HOUR,
  });
  return [
    ...sums(
      props,
      [
        ['Objects rolled up', METRICS.objects],
        ['Bytes rolled up', METRICS.bytes],
        ['Outputs', METRICS.outputs],
      ],
      QUARTER,
    ),
    graph('Objects for one output', [ratio], { width: QUARTER }),
  ];
}

/** What is paid by use: time of the function, requests, those that were repeated, and outputs that were not written again. */
function costRow(props: RollupDashboardProps): IWidget[] {
  const sum = { statistic: 'Sum', period: HOUR };
  const width = QUARTER;
  return [
    graph(`US dollars an hour (${PRICES.of})`, dollars(props), { width }),
    graph('Time of runs, paid (ms)', [props.function.metricDuration({ ...sum, label: 'duration' })], {
      width,
    }),
    ...sums(
      props,
      [
        ['S3 requests retried', METRICS.retries],
        ['Outputs reused', METRICS.reused],
      ],
      width,
    ),
  ];
}

function totals({ serviceName, streams }: RollupDashboardProps) {
  const total = (metric: string, id: string) => sumOfStreams(serviceName, streams, metric, id);
  return {
    objects: total(METRICS.objects, 'objects'),
    outputs: total(METRICS.outputs, 'outputs'),
    bytes: total(METRICS.bytes, 'bytes'),
  };
}

/** GB-seconds of the functions; and requests, which no metric counts, by what hours of the same size take. */
function dollars(props: RollupDashboardProps): MathExpression[] {
  const { objects, outputs, bytes } = totals(props);
  const { get, put } = PRICES.per1000;
  const gigabytes = props.capacity.memorySize / 1_024;
  const lambda = (label: string, id: string, paid: IFunction) =>
    new MathExpression({
      expression: `${id} / 1000 * ${gigabytes} * ${PRICES.lambdaGBSecond}`,
      usingMetrics: { [id]: paid.metricDuration({ statistic: 'Sum', period: HOUR }) },
      label,
      period: HOUR,
    });
  // A GET for each object; of an output one PUT where a part holds it, and otherwise its full parts, the last one, and a
  // request before and behind them.
  const { part, target } = props.sizes;
  const puts =
    part > target ? outputs.expression : `(${bytes.expression} / ${part} + 3 * ${outputs.expression})`;
  return [
    lambda('Lambda', 'duration', props.function),
    ...(props.fanOut === undefined ? [] : [lambda('Lambda, fan-out', 'steps', props.fanOut.function)]),
    new MathExpression({
      expression: `${objects.expression} * ${perRequest(get)} + ${puts} * ${perRequest(put)}`,
      usingMetrics: { ...objects.usingMetrics, ...outputs.usingMetrics, ...bytes.usingMetrics },
      label: 'S3 requests, estimated by objects and bytes',
      period: HOUR,
    }),
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
        { limits: timeoutLines(timeout) },
      ),
      ...graphs('File descriptors', peaks(METRICS.fileDescriptors), {
        limits: [
          { value: DESCRIPTOR_LIMIT, label: 'Lambda limit' },
          { value: DESCRIPTOR_ALARM, label: 'alarm' },
        ],
      }),
      ...graphs('Connections', peaks(METRICS.connections), {
        limits: [{ value: CONNECTION_LIMIT, label: 'limit' }],
      }),
    ],
    [
      ...graphs('Memory', peaks(METRICS.memory)),
      graph('Runs at once', [rollup.metric('ConcurrentExecutions', { statistic: 'Maximum', period })], {
        limits: [{ value: capacity.reservedConcurrency, label: 'reserved' }],
      }),
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
      { limits: timeoutLines(Duration.seconds(timeoutSeconds).toMilliseconds()) },
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
    graph('Oldest request (s)', [requests.metricApproximateAgeOfOldestMessage({ ...depth, label: 'age' })], {
      limits: [{ value: Duration.hours(1).toSeconds(), label: 'alarm' }],
    }),
    graph('Failed requests', [
      deadLetters.metricApproximateNumberOfMessagesVisible({ ...depth, label: 'dead letters' }),
      undelivered.metricApproximateNumberOfMessagesVisible({ ...depth, label: 'undelivered' }),
    ]),
  ];
}

/** The price of one request, of one for 1,000, without an exponent. */
function perRequest(per1000: number): string {
  return (per1000 / 1000).toFixed(7);
}

/** A graph of metrics of streams; several where there are more streams than one holds. */
function graphs(title: string, metrics: IMetric[][][], options: GraphOptions = {}): IWidget[] {
  const count = Math.max(...metrics.map((ofGraphs) => ofGraphs.length));
  return Array.from({ length: count }, (_, i) =>
    graph(
      count === 1 ? title : `${title} (${i + 1} of ${count})`,
      metrics.flatMap((ofGraphs) => ofGraphs[i] ?? []),
      options,
    ),
  );
}

function heading(question: string): IWidget[] {
  return [new TextWidget({ markdown: `## ${question}`, width: WIDTH, height: 1 })];
}

function graph(title: string, left: IMetric[], { limits = [], width = THIRD }: GraphOptions = {}): IWidget {
  return new GraphWidget({
    title,
    left,
    leftYAxis: { min: 0 },
    leftAnnotations: limits.map((limit) => ({ ...limit, color: Color.RED })),
    width,
    height: 6,
  });
}

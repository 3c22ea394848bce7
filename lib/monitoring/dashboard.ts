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
import type { RollupQueues } from '../queues.ts';
import { everyStream } from './stream-metrics.ts';

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
        [new AlarmStatusWidget({ title: 'Alarms', alarms: [...props.alarms], width: 24, height: 3 })],
        ...workRows(props.serviceName),
        ...limitRows(props),
        queueRow(props.queues, props.function),
      ],
    });
  }

  /** URL in the console of the commercial regions. */
  get url(): string {
    const { REGION } = Aws;
    return `https://${REGION}.console.aws.amazon.com/cloudwatch/home?region=${REGION}#dashboards:name=${this.dashboard.dashboardName}`;
  }
}

function workRows(service: string): IWidget[][] {
  return [
    [
      graph('Hours committed, updated by late logs, empty', [
        everyStream(service, METRICS.hoursCommitted, 'Sum'),
        everyStream(service, METRICS.hoursUpdated, 'Sum'),
        everyStream(service, METRICS.hoursEmpty, 'Sum'),
      ]),
      graph('Objects rolled up', [everyStream(service, METRICS.objects, 'Sum')]),
      graph('Bytes rolled up', [everyStream(service, METRICS.bytes, 'Sum')]),
    ],
    [
      graph('Outputs written', [everyStream(service, METRICS.outputs, 'Sum')]),
      graph('Outputs reused', [everyStream(service, METRICS.reused, 'Sum')]),
      graph('S3 requests retried', [everyStream(service, METRICS.retries, 'Sum')]),
    ],
  ];
}

function limitRows({ function: rollup, capacity, serviceName }: RollupDashboardProps): IWidget[][] {
  const period = Duration.minutes(5);
  const timeout = Duration.seconds(capacity.timeoutSeconds).toMilliseconds();
  return [
    [
      graph(
        'Longest run (ms)',
        [rollup.metricDuration({ statistic: 'Maximum', period, label: 'duration' })],
        [
          { value: timeout, label: 'timeout' },
          { value: timeout * DURATION_ALARM_SHARE, label: 'alarm' },
        ],
      ),
      graph(
        'File descriptors',
        [everyStream(serviceName, METRICS.fileDescriptors, 'Maximum', period)],
        [
          { value: DESCRIPTOR_LIMIT, label: 'Lambda limit' },
          { value: DESCRIPTOR_ALARM, label: 'alarm' },
        ],
      ),
      graph(
        'Connections',
        [everyStream(serviceName, METRICS.connections, 'Maximum', period)],
        [{ value: CONNECTION_LIMIT, label: 'limit' }],
      ),
    ],
    [
      graph('Memory', [everyStream(serviceName, METRICS.memory, 'Maximum', period)]),
      graph(
        'Runs at once',
        [rollup.metric('ConcurrentExecutions', { statistic: 'Maximum', period })],
        [{ value: capacity.reservedConcurrency, label: 'reserved' }],
      ),
      graph('Runs failed and refused', [
        rollup.metricErrors({ statistic: 'Sum', period }),
        rollup.metricThrottles({ statistic: 'Sum', period }),
        everyStream(serviceName, METRICS.failures, 'Sum', period),
      ]),
    ],
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

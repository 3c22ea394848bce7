import { Duration } from 'aws-cdk-lib';
import { Alarm, ComparisonOperator, TreatMissingData, type IMetric } from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import type { IQueue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { METRICS } from '../../lambda/names.ts';
import type { RollupQueues } from '../queues.ts';
import { streamMetric } from './stream-metrics.ts';

/** Open file descriptors, of Lambda's 1,024, from which the alarm is raised. */
export const DESCRIPTOR_ALARM = 900;
/** Share of the function's timeout from which the alarm is raised. */
export const DURATION_ALARM_SHARE = 0.8;

/** One alarm. */
interface AlarmSpec {
  readonly id: string;
  readonly metric: IMetric;
  readonly threshold: number;
  /**
   * Alarm if the metric is below the threshold for so many periods.
   *
   * @defaultValue alarm if it is at or above the threshold for one period
   */
  readonly below?: { readonly periods: number };
  /** The meaning in a sentence or two, for the description. */
  readonly meaning: string;
  /** Anchor of its section in docs/runbook.md. */
  readonly anchor: string;
}

/** Properties of `Alarms`. */
export interface AlarmsProps {
  readonly function: IFunction;
  readonly queues: RollupQueues;
  /** Names of the streams. */
  readonly streams: readonly string[];
  readonly serviceName: string;
  readonly timeout: Duration;
  /**
   * Alarm on every hour that is rolled up without a source.
   *
   * @defaultValue false
   */
  readonly emptyHours?: boolean | undefined;
  readonly topic?: ITopic | undefined;
  readonly runbookUrl: string;
}

/** All alarms. The description of each has its meaning and a link into the runbook; all notify the topic, if there is one. */
export class Alarms extends Construct {
  readonly all: readonly Alarm[];

  constructor(scope: Construct, id: string, props: AlarmsProps) {
    super(scope, id);
    const specs = [...queueAlarms(props.queues), ...functionAlarms(props), ...streamAlarms(props)];
    this.all = specs.map((spec) => this.create(spec, props));
  }

  private create(spec: AlarmSpec, { topic, runbookUrl }: AlarmsProps): Alarm {
    const alarm = new Alarm(this, spec.id, {
      alarmDescription: `${spec.meaning} Runbook: ${runbookUrl}#${spec.anchor}`,
      metric: spec.metric,
      threshold: spec.threshold,
      evaluationPeriods: spec.below?.periods ?? 1,
      comparisonOperator: spec.below
        ? ComparisonOperator.LESS_THAN_THRESHOLD
        : ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
      // An alarm on too few commits is raised by missing data; a metric of failures has none while nothing fails.
      treatMissingData: spec.below ? TreatMissingData.BREACHING : TreatMissingData.NOT_BREACHING,
    });
    if (topic) {
      alarm.addAlarmAction(new SnsAction(topic));
      alarm.addOkAction(new SnsAction(topic));
    }
    return alarm;
  }
}

function queueAlarms({ requests, deadLetters, undelivered }: RollupQueues): AlarmSpec[] {
  const visible = (queue: IQueue) =>
    queue.metricApproximateNumberOfMessagesVisible({ statistic: 'Maximum', period: Duration.minutes(5) });
  return [
    {
      id: 'DeadLetters',
      metric: visible(deadLetters),
      threshold: 1,
      meaning: 'A request failed three times and is in the dead-letter queue: its hour is not rolled up.',
      anchor: 'dead-letter-queue-is-not-empty',
    },
    {
      id: 'Undelivered',
      metric: visible(undelivered),
      threshold: 1,
      meaning:
        'A request never came to the queue: a schedule could not deliver it, or an asynchronous invocation failed.',
      anchor: 'a-request-was-not-delivered',
    },
    {
      id: 'OldestRequest',
      metric: requests.metricApproximateAgeOfOldestMessage({
        statistic: 'Maximum',
        period: Duration.minutes(5),
      }),
      threshold: Duration.hours(1).toSeconds(),
      meaning: 'A request has waited or been retried for over an hour: the rollup is falling behind.',
      anchor: 'oldest-request-is-over-an-hour-old',
    },
  ];
}

function functionAlarms(props: AlarmsProps): AlarmSpec[] {
  const period = Duration.minutes(5);
  return [
    {
      id: 'Errors',
      metric: props.function.metricErrors({ statistic: 'Sum', period }),
      threshold: 1,
      meaning: 'A run failed. It is tried three times in all; its log line has the error code and the key.',
      anchor: 'a-run-failed',
    },
    {
      id: 'Throttles',
      metric: props.function.metricThrottles({ statistic: 'Sum', period }),
      threshold: 1,
      meaning:
        'Lambda refused to start a run: more were asked for at once than the reserved concurrency allows.',
      anchor: 'runs-are-throttled',
    },
    {
      id: 'Duration',
      metric: props.function.metricDuration({ statistic: 'Maximum', period }),
      threshold: props.timeout.toMilliseconds() * DURATION_ALARM_SHARE,
      meaning: 'A run took over 80 % of the timeout. Beyond it, hours are finished by continuations.',
      anchor: 'a-run-takes-too-long',
    },
  ];
}

function streamAlarms({ serviceName, streams, emptyHours = false }: AlarmsProps): AlarmSpec[] {
  const commits = streams.map((stream) => ({
    id: `NoHourCommitted-${stream}`,
    metric: streamMetric(serviceName, stream, METRICS.hoursCommitted, {
      statistic: 'Sum',
      period: Duration.hours(1),
    }),
    threshold: 1,
    below: { periods: 2 },
    meaning: `Stream ${stream}: no hour was committed in 2 hours.`,
    anchor: 'no-hour-was-committed',
  }));
  const descriptors = [...streams, METRICS.unnamedStream].map((stream) => ({
    id: `Descriptors-${stream}`,
    metric: streamMetric(serviceName, stream, METRICS.fileDescriptors, {
      statistic: 'Maximum',
      period: Duration.minutes(5),
    }),
    threshold: DESCRIPTOR_ALARM,
    meaning: `Stream ${stream}: a run had ${DESCRIPTOR_ALARM} or more of Lambda's 1,024 file descriptors open.`,
    anchor: 'file-descriptors-run-out',
  }));
  const empty = (emptyHours ? streams : []).map((stream) => ({
    id: `HourEmpty-${stream}`,
    metric: streamMetric(serviceName, stream, METRICS.hoursEmpty, {
      statistic: 'Sum',
      period: Duration.minutes(5),
    }),
    threshold: 1,
    meaning: `Stream ${stream}: an hour was rolled up without a source, which may be a mistake in its prefix or filters.`,
    anchor: 'an-hour-was-empty',
  }));
  return [...commits, ...descriptors, ...empty];
}

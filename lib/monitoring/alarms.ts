import { type CfnResource, Duration, Stack, Token } from 'aws-cdk-lib';
import {
  Alarm,
  AlarmRule,
  ComparisonOperator,
  CompositeAlarm,
  TreatMissingData,
  type IAlarm,
  type IMetric,
} from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import type { IQueue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { METRICS } from '../../lambda/names.ts';
import type { FanOut } from '../fan-out.ts';
import type { RollupQueues } from '../queues.ts';
import { streamMetric } from './stream-metrics.ts';

/** Open file descriptors, of Lambda's 1,024, from which the alarm is raised. */
export const DESCRIPTOR_ALARM = 900;
/** Share of the function's timeout from which the alarm is raised. */
export const DURATION_ALARM_SHARE = 0.8;

/** Periods of five minutes with throttled steps, one after another: executions at once throttle each other for minutes. */
const THROTTLED_PERIODS = 12;

/** Alarms that one composite alarm looks at: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutCompositeAlarm.html */
const MOST_CHILDREN = 100;
/** Characters of the rule of a composite alarm: same page. */
const MOST_RULE_CHARACTERS = 10_240;
/** Characters of an alarm's name. CloudFormation shortens names to it. */
const MOST_NAME_CHARACTERS = 255;
/** Characters of a stack's name, for one that is not known at the synthesis. */
const MOST_STACK_NAME_CHARACTERS = 128;
/** What an alarm has in a rule besides its name, with the longest partition and region, and its part of the whole rule's. */
const AROUND_NAME = '(ALARM("arn:aws-us-gov:cloudwatch:ap-southeast-1:111122223333:alarm:") OR ';
/** What CloudFormation adds to stack and logical id, with hyphens between them. */
const ADDED_TO_NAME = '--0123456789ABC';

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
  /**
   * Periods in a row for which the metric must be at or above the threshold.
   *
   * @defaultValue 1
   */
  readonly periods?: number;
  /** The meaning in a sentence or two, for the description. */
  readonly meaning: string;
  /** Anchor of its section in docs/runbook.md. */
  readonly anchor: string;
  /**
   * It means that an hour was not rolled up, and is one of those for which somebody is paged.
   *
   * @defaultValue false
   */
  readonly pages?: boolean;
}

/** Properties of `Alarms`. */
export interface AlarmsProps {
  readonly function: IFunction;
  readonly queues: RollupQueues;
  /** Undefined without the setting `fanOut`. */
  readonly fanOut?: Pick<FanOut, 'function' | 'stateMachine'> | undefined;
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
  /** Topic that is notified once if any hour was not rolled up. */
  readonly pageTopic?: ITopic | undefined;
  readonly runbookUrl: string;
}

/** All alarms. The description of each has its meaning and a link into the runbook; all notify the topic, if there is one. */
export class Alarms extends Construct {
  readonly all: readonly Alarm[];
  /** Raised while any alarm is that means that an hour was not rolled up. */
  readonly hourNotRolledUp: CompositeAlarm;

  constructor(scope: Construct, id: string, props: AlarmsProps) {
    super(scope, id);
    const specs = [
      ...queueAlarms(props.queues),
      ...functionAlarms(props),
      ...(props.fanOut === undefined ? [] : fanOutAlarms(props.fanOut, props.timeout)),
      ...streamAlarms(props),
    ];
    this.all = specs.map((spec) => this.create(spec, props));
    this.hourNotRolledUp = this.combine(
      this.all.filter((_, i) => specs[i]?.pages === true),
      props,
    );
  }

  private combine(alarms: IAlarm[], { pageTopic, runbookUrl }: AlarmsProps): CompositeAlarm {
    const parts = partsOf(alarms);
    const children =
      parts.length <= 1
        ? alarms
        : parts.map((some, i) => {
            const alarmDescription = `Part ${i + 1} of ${parts.length} of the alarm that an hour was not rolled up.`;
            const alarmRule = AlarmRule.anyOf(...some);
            return named(
              new CompositeAlarm(this, `HourNotRolledUp${i + 1}`, { alarmDescription, alarmRule }),
            );
          });
    const alarm = named(
      new CompositeAlarm(this, 'HourNotRolledUp', {
        alarmDescription: `An hour was not rolled up. The alarms that are raised beside this one say why. Runbook: ${runbookUrl}#an-hour-was-not-rolled-up`,
        alarmRule: AlarmRule.anyOf(...children),
      }),
    );
    if (pageTopic !== undefined) {
      alarm.addAlarmAction(new SnsAction(pageTopic));
      alarm.addOkAction(new SnsAction(pageTopic));
    }
    return alarm;
  }

  private create(spec: AlarmSpec, { topic, runbookUrl }: AlarmsProps): Alarm {
    const alarm = new Alarm(this, spec.id, {
      alarmDescription: `${spec.meaning} Runbook: ${runbookUrl}#${spec.anchor}`,
      metric: spec.metric,
      threshold: spec.threshold,
      evaluationPeriods: spec.below?.periods ?? spec.periods ?? 1,
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

/**
 * Leaves the name to CloudFormation, as for all other resources. CDK gives one that is made from the ids of constructs alone, so
 * that two stacks of one id could not be in one account: https://github.com/aws/aws-cdk/issues/38057
 */
function named(alarm: CompositeAlarm): CompositeAlarm {
  (alarm.node.defaultChild as CfnResource).addPropertyDeletionOverride('AlarmName');
  return alarm;
}

/** As many alarms a part as one rule has room for. */
function partsOf(alarms: readonly IAlarm[]): IAlarm[][] {
  const parts: IAlarm[][] = [];
  let characters = 0;
  for (const alarm of alarms) {
    const more = AROUND_NAME.length + longestName(alarm);
    const last = parts.at(-1);
    if (last !== undefined && last.length < MOST_CHILDREN && characters + more <= MOST_RULE_CHARACTERS) {
      last.push(alarm);
      characters += more;
    } else {
      parts.push([alarm]);
      characters = more;
    }
  }
  return parts;
}

/** Characters of the name that CloudFormation makes, at most. */
function longestName(alarm: IAlarm): number {
  const stack = Stack.of(alarm);
  const { length } = Token.isUnresolved(stack.stackName)
    ? { length: MOST_STACK_NAME_CHARACTERS }
    : stack.stackName;
  const logicalId = String(stack.resolve((alarm.node.defaultChild as CfnResource).logicalId));
  return Math.min(MOST_NAME_CHARACTERS, length + logicalId.length + ADDED_TO_NAME.length);
}

function queueAlarms({ requests, deadLetters, undelivered }: RollupQueues): AlarmSpec[] {
  const visible = (queue: IQueue) =>
    queue.metricApproximateNumberOfMessagesVisible({ statistic: 'Maximum', period: Duration.minutes(5) });
  return [
    {
      id: 'DeadLetters',
      metric: visible(deadLetters),
      threshold: 1,
      meaning: 'A request failed for good and is in the dead-letter queue: its hour is not rolled up.',
      anchor: 'dead-letter-queue-is-not-empty',
      pages: true,
    },
    {
      id: 'Undelivered',
      metric: visible(undelivered),
      threshold: 1,
      meaning:
        'A request never came to the queue: a schedule could not deliver it, or an asynchronous invocation failed.',
      anchor: 'a-request-was-not-delivered',
      pages: true,
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
      meaning: 'A run failed. It is tried five times in all; its log line has the error code and the key.',
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
    {
      id: 'LoopsStopped',
      // https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html: continuations are such a loop.
      metric: props.function.metric('RecursiveInvocationsDropped', { statistic: 'Sum', period }),
      threshold: 1,
      meaning:
        'Lambda took continuations for a loop without an end, after some sixteen of them, and stopped one: its hour is not rolled up.',
      anchor: 'lambda-stopped-a-loop',
      pages: true,
    },
  ];
}

function fanOutAlarms(
  { function: steps, stateMachine }: NonNullable<AlarmsProps['fanOut']>,
  timeout: Duration,
): AlarmSpec[] {
  const period = Duration.minutes(5);
  const sum = { statistic: 'Sum', period };
  return [
    {
      id: 'ExecutionsFailed',
      metric: stateMachine.metricFailed(sum),
      threshold: 1,
      meaning: 'A large rollup failed in the state machine. Its request is in the dead-letter queue.',
      anchor: 'a-large-rollup-failed',
      pages: true,
    },
    {
      id: 'ExecutionsTimedOut',
      metric: stateMachine.metricTimedOut(sum),
      threshold: 1,
      meaning:
        'A large rollup was not done in three days and was ended. Its request is in the dead-letter queue.',
      anchor: 'a-large-rollup-failed',
      pages: true,
    },
    {
      id: 'ExecutionsAborted',
      metric: stateMachine.metricAborted(sum),
      threshold: 1,
      meaning: 'Somebody stopped a large rollup. Its request is in the dead-letter queue.',
      anchor: 'a-large-rollup-failed',
      pages: true,
    },
    {
      id: 'StepErrors',
      metric: steps.metricErrors(sum),
      threshold: 1,
      meaning: 'A step of a large rollup failed. Failures that pass are tried again by the state machine.',
      anchor: 'a-step-failed',
    },
    {
      id: 'StepThrottles',
      metric: steps.metricThrottles(sum),
      threshold: 1,
      periods: THROTTLED_PERIODS,
      meaning:
        'Steps of large rollups have waited for room for an hour: several executions share fanOutWorkers.',
      anchor: 'large-rollups-wait-for-each-other',
    },
    {
      id: 'StepDuration',
      metric: steps.metricDuration({ statistic: 'Maximum', period }),
      threshold: timeout.toMilliseconds() * DURATION_ALARM_SHARE,
      meaning: 'A step of a large rollup took over 80 % of the timeout. Beyond it, it is tried again.',
      anchor: 'a-step-takes-too-long',
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
    pages: true,
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

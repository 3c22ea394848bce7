import { Aws, Duration, RemovalPolicy, TimeZone } from 'aws-cdk-lib';
import { PolicyDocument, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import {
  ContextAttribute,
  Schedule,
  ScheduleExpression,
  ScheduleGroup,
  ScheduleTargetInput,
} from 'aws-cdk-lib/aws-scheduler';
import { SqsSendMessage } from 'aws-cdk-lib/aws-scheduler-targets';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { Construct } from 'constructs';
import { useStackKey } from './access.ts';
import type { RollupQueues } from './queues.ts';
import type { RootedStream } from './log-rollup-props.ts';

/** One schedule a stream: every hour it sends a request for the hour before to the queue. */
export class Schedules extends Construct {
  constructor(
    scope: Construct,
    id: string,
    props: {
      readonly streams: readonly RootedStream[];
      readonly queues: RollupQueues;
      /** Key of the queues. */
      readonly encryptionKey?: IKey | undefined;
    },
  ) {
    super(scope, id);
    const { requests, undelivered } = props.queues;
    const scheduleGroup = new ScheduleGroup(this, 'Group', { removalPolicy: RemovalPolicy.DESTROY });
    const role = new Role(this, 'Role', {
      description: 'Sends the hourly requests to the queue',
      assumedBy: new ServicePrincipal('scheduler.amazonaws.com', {
        // https://docs.aws.amazon.com/scheduler/latest/UserGuide/cross-service-confused-deputy-prevention.html
        conditions: {
          StringEquals: {
            'aws:SourceAccount': Aws.ACCOUNT_ID,
            'aws:SourceArn': scheduleGroup.scheduleGroupArn,
          },
        },
      }),
      inlinePolicies: {
        Send: new PolicyDocument({
          statements: [
            new PolicyStatement({
              sid: 'SendRequests',
              actions: ['sqs:SendMessage'],
              resources: [requests.queueArn, undelivered.queueArn],
            }),
            ...useStackKey(props.encryptionKey, ['sqs']),
          ],
        }),
      },
    });
    for (const { name, source, minute } of props.streams) {
      new Schedule(this, name, {
        description: `Rolls up the hour before, stream ${name}`,
        scheduleGroup,
        schedule: ScheduleExpression.cron({ minute: String(minute), timeZone: TimeZone.ETC_UTC }),
        target: new SqsSendMessage(requests, {
          role: role.withoutPolicyUpdates(),
          input: ScheduleTargetInput.fromObject({
            source,
            scheduledTime: ContextAttribute.scheduledTime,
            stream: name,
          }),
          deadLetterQueue: undelivered,
          // After 6 hours the alarm on the stream, which takes 2, has notified somebody.
          maxEventAge: Duration.hours(6),
          retryAttempts: 100,
        }),
      });
    }
  }
}

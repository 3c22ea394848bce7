import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { flattenReference } from '../../lib/flatten-reference.ts';
import { DEPLOYMENTS, synthesize } from './synthesis.ts';
import { onlyResource, resources } from './template.ts';

const QUEUE = 'RollupQueuesRequestsDF361FBD';
const DEAD_LETTERS = 'RollupQueuesDeadLettersF20358C2';
const UNDELIVERED = 'RollupQueuesUndelivered967AD3EA';
const arnOf = (id: string) => ({ 'Fn::GetAtt': [id, 'Arn'] });
const DAY = 86_400;

const scheduleTarget = z.object({
  Arn: z.unknown(),
  DeadLetterConfig: z.object({ Arn: z.unknown() }),
  Input: z.unknown(),
  RetryPolicy: z.object({ MaximumEventAgeInSeconds: z.number(), MaximumRetryAttempts: z.number() }),
});

describe.each(Object.entries(DEPLOYMENTS))('wiring with %s', (_, context) => {
  const template = synthesize(context);
  const queues = resources(template, 'AWS::SQS::Queue');
  const { Properties: rollup, id: functionId } = onlyResource(template, 'AWS::Lambda::Function');
  const { Properties: source } = onlyResource(template, 'AWS::Lambda::EventSourceMapping');

  it('queue -> dead letters after five receives', () => {
    expect(queues[QUEUE]?.Properties['RedrivePolicy']).toEqual({
      deadLetterTargetArn: arnOf(DEAD_LETTERS),
      maxReceiveCount: 5,
    });
  });

  it('keeps failures 14 days, longer than requests', () => {
    expect(queues[DEAD_LETTERS]?.Properties['MessageRetentionPeriod']).toBe(14 * DAY);
    expect(queues[UNDELIVERED]?.Properties['MessageRetentionPeriod']).toBe(14 * DAY);
    expect(queues[QUEUE]?.Properties['MessageRetentionPeriod']).toBe(4 * DAY);
  });

  it('lets no queue use the queue of undelivered requests as its dead-letter queue', () => {
    expect(queues[UNDELIVERED]?.Properties['RedriveAllowPolicy']).toEqual({ redrivePermission: 'denyAll' });
  });

  it('hides a message at least six times as long as a run may take', () => {
    expect(queues[QUEUE]?.Properties['VisibilityTimeout']).toBeGreaterThanOrEqual(
      6 * Number(rollup['Timeout']),
    );
  });

  it('encrypts every queue and refuses requests without TLS', () => {
    expect(Object.keys(queues).sort()).toEqual([DEAD_LETTERS, QUEUE, UNDELIVERED].sort());
    for (const queue of Object.values(queues)) expect(queue.Properties['SqsManagedSseEnabled']).toBe(true);
    const policies = Object.values(resources(template, 'AWS::SQS::QueuePolicy'));
    expect(
      policies.map(({ Properties }) => flattenReference((Properties['Queues'] as unknown[])[0])).sort(),
    ).toEqual([DEAD_LETTERS, QUEUE, UNDELIVERED].map((id) => `<${id}>`).sort());
    for (const { Properties } of policies) {
      expect(JSON.stringify(Properties)).toContain(
        '"Condition":{"Bool":{"aws:SecureTransport":"false"}},"Effect":"Deny"',
      );
      expect(JSON.stringify(Properties)).not.toContain('"Allow"');
    }
  });

  it('queue -> function, one message at a time', () => {
    expect(source).toMatchObject({
      EventSourceArn: arnOf(QUEUE),
      FunctionName: { Ref: functionId },
      BatchSize: 1,
    });
    expect(source).not.toHaveProperty('FunctionResponseTypes');
  });

  it('leaves a part of the reserved concurrency to direct invocation', () => {
    const { MaximumConcurrency } = z
      .object({ MaximumConcurrency: z.number() })
      .parse(source['ScalingConfig']);
    expect(MaximumConcurrency).toBe(
      Number(rollup['ReservedConcurrentExecutions']) - Number(context['directConcurrency'] ?? 1),
    );
    expect(MaximumConcurrency).toBeGreaterThanOrEqual(2);
  });

  it('failed asynchronous invocations -> undelivered', () => {
    expect(rollup['DeadLetterConfig']).toEqual({ TargetArn: arnOf(UNDELIVERED) });
  });

  it('schedule -> queue, with retries and a dead-letter queue of its own', () => {
    for (const { Properties } of Object.values(resources(template, 'AWS::Scheduler::Schedule'))) {
      expect(scheduleTarget.parse(Properties['Target'])).toMatchObject({
        Arn: arnOf(QUEUE),
        DeadLetterConfig: { Arn: arnOf(UNDELIVERED) },
        RetryPolicy: { MaximumEventAgeInSeconds: 21_600, MaximumRetryAttempts: 100 },
      });
      expect(Properties).toMatchObject({
        State: 'ENABLED',
        ScheduleExpressionTimezone: 'Etc/UTC',
        FlexibleTimeWindow: { Mode: 'OFF' },
      });
    }
  });
});

describe('schedules', () => {
  const inputs = (context: Record<string, unknown> | undefined) =>
    Object.values(resources(synthesize(context), 'AWS::Scheduler::Schedule')).map(({ Properties }) => ({
      cron: Properties['ScheduleExpression'],
      input: JSON.parse(flattenReference(scheduleTarget.parse(Properties['Target']).Input)) as unknown,
    }));

  it('send the scheduled time, also for a bucket that is created by the stack', () => {
    expect(inputs({})).toEqual([
      {
        cron: 'cron(10 * * * ? *)',
        input: {
          source: 's3://<BucketsRaw686CB728>/raw/{yyyy}{MM}{dd}/{HH}/',
          scheduledTime: '<aws.scheduler.scheduled-time>',
          stream: 'default',
        },
      },
    ]);
  });

  it('are one for each stream, whether its source is whole, relative or left out', () => {
    const scheduledTime = '<aws.scheduler.scheduled-time>';
    expect(inputs(DEPLOYMENTS['existing bucket'])).toEqual([
      {
        cron: 'cron(10 * * * ? *)',
        input: {
          source: 's3://application-logs/raw/checkout/{yyyy}{MM}{dd}/{HH}/',
          scheduledTime,
          stream: 'checkout',
        },
      },
      {
        cron: 'cron(25 * * * ? *)',
        input: {
          source: 's3://application-logs/raw/search/{yyyy}{MM}{dd}/{HH}/',
          scheduledTime,
          stream: 'search',
        },
      },
    ]);
  });

  it('can be assumed by this account and this group alone', () => {
    const roles = Object.values(resources(synthesize(), 'AWS::IAM::Role'));
    const trust = roles.map(({ Properties }) => JSON.stringify(Properties['AssumeRolePolicyDocument']));
    expect(trust.filter((policy) => policy.includes('scheduler.amazonaws.com'))).toEqual([
      expect.stringMatching(
        /"StringEquals":\{"aws:SourceAccount":.*"aws:SourceArn":\{"Fn::GetAtt":\["RollupSchedulesGroup/,
      ),
    ]);
  });
});

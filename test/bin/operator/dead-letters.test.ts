import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  type DeadLetters,
  describeDeadLetters,
  withDeadLetters,
} from '../../../bin/operator/dead-letters.ts';
import { findDeployment } from '../../../bin/operator/deployment.ts';
import { parseHour } from '../../../lambda/rollup/index.ts';
import type { PeekOptions } from '../../../bin/operator/services.ts';
import { cli } from '../command-line.ts';
import { stackOutputs } from './aws-stub.ts';
import { type Account, AGGREGATED, BUCKET, STACK, TEMPLATE, openAccount } from './operator-line.ts';

let account: Account;
beforeEach(async () => {
  account = await openAccount();
});
afterEach(() => account[Symbol.asyncDispose]());

const RANGE = ['--stack', STACK, '--from', '2025-11-21T00', '--to', '2025-11-21T09'];
const at = (hour: number): string => `2025-11-21T0${hour}`;
const prefix = (hour: number): string => `s3://${BUCKET}/raw/checkout/20251121/0${hour}/`;
const NOTICE = {
  'detail-type': 'Step Functions Execution Status Change',
  detail: { name: '2025-11-21T07-m', status: 'TIMED_OUT', input: JSON.stringify({ source: prefix(7) }) },
};

async function bury(...bodies: unknown[]): Promise<void> {
  for (const body of bodies) await account.queues.send(body, account.queues.deadLetterUrl);
}

/** Receives as many messages as were sent: each is there at once, and none was taken. */
async function expectVisible(count: number): Promise<void> {
  expect(await account.queues.depth(account.queues.deadLetterUrl)).toBe(count);
  for (let i = 0; i < count; i++)
    expect(await account.queues.receive(account.queues.deadLetterUrl)).toBeDefined();
}

describe('hours of dead letters', () => {
  test.each<[string, object]>([
    ['a template and an hour', { source: TEMPLATE, hour: at(7) }],
    ['the prefix of the hour', { source: prefix(7) }],
    ['the prefix without its slash', { source: prefix(7).slice(0, -1) }],
    ['the stream and the hour', { stream: 'checkout', hour: at(7) }],
    [
      'the time of its schedule',
      { stream: 'checkout', source: TEMPLATE, scheduledTime: '2025-11-21T08:10:00Z' },
    ],
    ['a look back', { source: TEMPLATE, hour: at(7), lookBack: true }],
    ['a request to delete sources', { source: prefix(7), deleteSource: true }],
    ['the notice of an execution that failed', NOTICE],
  ])('%s makes the hour failed', async (_, letter) => {
    await bury(letter);
    const { code, printed } = await account.json(['status', ...RANGE]);
    const hours = printed['hours'] as { hour: string; state: string; failed?: object }[];
    expect(hours.filter(({ state }) => state === 'failed')).toMatchObject([
      { hour: at(7), failed: { requests: 1, state: 'empty' } },
    ]);
    expect(printed).toMatchObject({
      status: 'incomplete',
      deadLetters: 1,
      deadLettersRead: { read: 1, ofHours: 1, elsewhere: 0, unreadable: 0 },
    });
    expect(code).toBe(1);
  });

  test('status and report tell each of them, with the state in S3 and the command that mends it, and take none', async () => {
    for (const hour of [1, 2, 3]) account.sandbox.put(BUCKET, `raw/checkout/20251121/0${hour}/a.log`, 'a\n');
    const made = await cli(account.sandbox, ['run', TEMPLATE, AGGREGATED, '--hour', at(1), '--no-progress']);
    expect(made.code).toBe(0);
    account.sandbox.put(BUCKET, 'aggregated/checkout/20251121/03/_manifest.json', '{}');
    const letters = [
      ...[1, 2, 2, 3].map((hour) => ({ source: prefix(hour) })),
      NOTICE,
      { source: TEMPLATE, hour: '2025-11-22T00' },
      { source: `s3://${BUCKET}/raw/other/` },
      '{"source":',
      { ...NOTICE, detail: { ...NOTICE.detail, input: null } },
    ];
    await bury(...letters);
    const { printed: status } = await account.json(['status', ...RANGE]);
    const hours = status['hours'] as { hour: string; state: string; failed?: object; problem?: string }[];
    const failed = hours.filter((hour) => hour.state === 'failed').map((hour) => [hour.hour, hour.failed]);
    expect(failed).toEqual([
      [at(1), { requests: 1, reasons: [], state: 'rolled-up' }],
      [at(2), { requests: 2, reasons: [], state: 'missing' }],
      [at(3), { requests: 1, reasons: [], state: 'unreadable' }],
      [at(7), { requests: 1, reasons: ['TIMED_OUT'], state: 'empty' }],
    ]);
    expect(status['deadLettersRead']).toEqual({ read: 9, ofHours: 5, elsewhere: 2, unreadable: 2 });
    const { stdout } = await account.cli(['status', ...RANGE, '--no-progress']);
    expect(stdout).toMatch(/2025-11-21T07 +checkout .* failed\n/);
    expect(stdout).toContain('  2025-11-21T07 checkout: a request failed: TIMED_OUT\n');
    const summary =
      '9 messages lie in the dead-letter queue: 5 for hours of this range, 2 for other hours or prefixes, 2 that cannot be read as a request.';
    expect(stdout).toContain(`  ${summary}\n`);

    const { printed: report } = await account.json(['report', ...RANGE]);
    expect(report['hours']).toMatchObject(hours);
    expect(report['deadLetters']).toBe(9);
    const attention = report['attention'] as { kind: string; hour?: string; what: string; command: string }[];
    const redrive = `s3-rollup redrive --stack ${STACK}`;
    expect(attention.map(({ kind, hour, command }) => [kind, hour, command])).toEqual([
      ['dead-letters', undefined, `${redrive} --dry-run`],
      ['failed', at(1), redrive],
      ['failed', at(2), redrive],
      ['failed', at(3), redrive],
      ['unreadable', at(3), expect.stringContaining('s3-rollup verify') as string],
      ['failed', at(7), redrive],
    ]);
    expect(attention[0]?.what).toBe(summary);
    expect(attention.at(-1)?.what).toBe(
      '1 request for this hour failed for good (TIMED_OUT). In S3 the hour is empty.',
    );
    await expectVisible(letters.length);
  });

  test('more messages than SQS gives at once are all read, and all of them are visible again', async () => {
    await bury(...Array.from({ length: 25 }, (_, i) => ({ source: prefix(i % 10) })));
    const { printed } = await account.json(['status', ...RANGE]);
    expect(printed['deadLettersRead']).toMatchObject({ read: 25, ofHours: 25 });
    const hours = printed['hours'] as { failed?: { requests: number } }[];
    expect(hours.map(({ failed }) => failed?.requests)).toEqual([3, 3, 3, 3, 3, 2, 2, 2, 2, 2]);
    await expectVisible(25);
  });

  test('a queue that is empty is not received from', async () => {
    await account.json(['status', ...RANGE]);
    expect(account.stub.calls).toEqual(['DescribeStacks', 'AmazonSQS.GetQueueAttributes']);
  });

  test.each([
    ['status', 'GetQueueAttributes', 'complete'],
    ['report', 'GetQueueAttributes', 'incomplete'],
    ['report', 'ReceiveMessage', 'incomplete'],
    ['report', 'ChangeMessageVisibilityBatch', 'incomplete'],
  ])('%s tells that %s failed, and of hours what S3 says', async (command, call, status) => {
    await bury({ source: prefix(7) });
    account.stub.onCall = (name) => {
      if (name === `AmazonSQS.${call}`) throw new Error('denied');
    };
    const { code, printed } = await account.json([command, ...RANGE]);
    expect(code).toBe(0);
    const problem = expect.stringContaining('Queue http') as string;
    expect(printed).toMatchObject({ status, deadLettersRead: { read: 0, problem } });
    const hours = printed['hours'] as { state: string }[];
    expect(new Set(hours.map(({ state }) => state))).toEqual(new Set(['empty']));
    if (command === 'status') return;
    const attention = printed['attention'] as { what: string }[];
    expect(attention.at(-1)?.what).toMatch(
      /^The dead-letter queue was not read, and hours may have failed: /,
    );
  });
});

test('a thousand messages are read of a queue that has more, and the rest is told', async () => {
  const asked: (PeekOptions | undefined)[] = [];
  const services = {
    stackOutputs: () => Promise.resolve(stackOutputs('http://q', 'http://dead')),
    queue: () => Promise.resolve({ arn: '', waiting: 5_000, inWork: 7 }),
    peek: (_: string, options?: PeekOptions) => {
      asked.push(options);
      return Promise.resolve(
        Array.from({ length: options?.most ?? 0 }, (__, i) => ({
          ...{ id: String(i), body: JSON.stringify({ source: prefix(7) }), sentAt: '', receives: 1 },
          attributes: { ERROR_MESSAGE: `reason ${i}` },
        })),
      );
    },
  };
  const deployment = await findDeployment(services, STACK);
  if (deployment === undefined) throw new Error('no deployment');
  const hour = {
    ...{
      hour: parseHour('2025-11-21T07'),
      state: 'missing' as const,
      source: prefix(7),
      objects: 1,
      bytes: 1,
    },
    ...{ rolledUp: 0, outputs: 0, late: 0, destination: prefix(7).replace('raw', 'aggregated') },
  };
  const { rows, deadLetters } = await withDeadLetters(services, deployment, [hour]);
  expect(asked).toEqual([{ most: 1_000, waitSeconds: 1 }]);
  const failed = { requests: 1_000, reasons: ['reason 0', 'reason 1', 'reason 2'], state: 'missing' };
  expect(rows).toEqual([{ ...hour, state: 'failed', failed }]);
  const found: DeadLetters = { queued: 5_007, read: 1_000, ofHours: 1_000, elsewhere: 0, unreadable: 0 };
  expect(deadLetters).toEqual(found);
  expect(describeDeadLetters(found)).toEqual([
    '5,007 messages lie in the dead-letter queue: 1,000 for hours of this range, 4,007 not read. More hours may have failed.',
  ]);
});

import type * as Timers from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Account, STACK, TEMPLATE, openAccount, takeAll } from './operator-line.ts';

// Waits between two looks at a task take no time.
vi.mock('node:timers/promises', async (load) => {
  const timers = await load<typeof Timers>();
  const pause: typeof timers.setTimeout = (_, ...rest) => timers.setTimeout(0, ...rest);
  return { ...timers, setTimeout: pause };
});

let account: Account;
beforeEach(async () => {
  account = await openAccount();
});
afterEach(() => account[Symbol.asyncDispose]());

const request = (hour: number) => ({ source: TEMPLATE, hour: `2025-11-21T0${hour}` });
const POISON = '{"source":';

/** Sends messages to the dead-letter queue. */
async function bury(...bodies: unknown[]): Promise<void> {
  for (const body of bodies) await account.queues.send(body, account.queues.deadLetterUrl);
}

const inDeadLetters = (): Promise<number> => account.queues.depth(account.queues.deadLetterUrl);

describe('redrive', () => {
  it('shows dead letters, moves all of them and follows the task to its end', async () => {
    await bury(request(1), request(2), request(3));
    const { code, printed } = await account.json(['redrive', '--stack', STACK]);
    expect(code).toBe(0);
    expect(printed).toMatchObject({
      status: 'moved',
      deadLetterUrl: account.deadLetterUrl,
      messages: 3,
      moved: 3,
    });
    const sample = printed['sample'] as Record<string, unknown>[];
    expect(sample.map(({ body }) => JSON.parse(String(body)) as unknown)).toEqual([1, 2, 3].map(request));
    expect(sample[0]).toEqual({
      id: expect.any(String) as string,
      sentAt: expect.stringMatching(/^\d{4}-\d{2}-\d{2}T.*Z$/) as string,
      receives: 0,
      body: JSON.stringify(request(1)),
    });
    expect(await inDeadLetters()).toBe(0);
    expect(await takeAll(account)).toEqual([1, 2, 3].map(request));
  });

  it('prints dead letters before it moves them, and then its progress', async () => {
    await bury(request(1), POISON);
    const { code, stdout, stderr } = await account.cli(['redrive', '--dlq-url', account.deadLetterUrl]);
    expect(code).toBe(0);
    const lines = stdout.split('\n');
    expect(lines[0]).toBe('2 messages in the dead-letter queue');
    expect(lines[1]).toMatch(/Z {2}0 receives {2}\{"source":"s3:.*"2025-11-21T01"\}$/);
    expect(lines[3]).toMatch(/^ +reason: It is not JSON: \{"source":$/);
    expect(lines.slice(5)).toEqual(['moved', expect.stringContaining('queue'), '  messages  2 moved', '']);
    expect(stderr).toMatch(/^moving: 0%, 0 of 2 messages\n/);
    expect(account.stub.calls).not.toContain('DescribeStacks');
  });

  it('moves nothing with --dry-run, and leaves every message to be received at once', async () => {
    await bury(request(1), POISON, { ...request(2), hours: 3 });
    const { code, printed } = await account.json(['redrive', '--stack', STACK, '--dry-run']);
    expect(code).toBe(0);
    expect(printed).toMatchObject({ status: 'dry-run', messages: 3, moved: 0 });
    const sample = printed['sample'] as Record<string, unknown>[];
    expect(sample.map(({ reason }) => reason)).toEqual([
      undefined,
      expect.stringContaining('It is not JSON'),
      expect.stringContaining('Unrecognized key: "hours"'),
    ]);
    expect(account.stub.calls).not.toContain('AmazonSQS.StartMessageMoveTask');
    for (let i = 0; i < 3; i++) {
      expect(await account.queues.receive(account.queues.deadLetterUrl)).toBeDefined();
    }
    expect(await account.queues.depth(account.queues.queueUrl)).toBe(0);
  });

  it('shows hour and reason of executions of the state machine', async () => {
    const notice = (detail: object) => ({
      version: '0',
      'detail-type': 'Step Functions Execution Status Change',
      source: 'aws.states',
      detail: {
        executionArn: 'arn:aws:states:eu-central-1:111122223333:execution:FanOut:2025-11-21T01-m',
        name: '2025-11-21T01-m',
        input: JSON.stringify(request(1)),
        inputDetails: { included: true },
        ...detail,
      },
    });
    const cause = { errorType: 'SlowDown', errorMessage: 'Reduce your request rate.\nAgain.', trace: ['x'] };
    await bury(
      notice({ status: 'FAILED', error: 'SlowDown', cause: JSON.stringify(cause) }),
      notice({ status: 'FAILED', error: 'States.Runtime', cause: 'An error occurred.\nAt Write.' }),
      notice({ status: 'TIMED_OUT', error: null, cause: null }),
      notice({ status: 'ABORTED', input: null, inputDetails: { included: false } }),
    );
    const { printed } = await account.json(['redrive', '--stack', STACK, '--dry-run']);
    const sample = printed['sample'] as Record<string, unknown>[];
    expect(sample.map((one) => [one['execution'], one['request'], one['reason']])).toEqual([
      ['2025-11-21T01-m', request(1), 'FAILED: SlowDown: Reduce your request rate.'],
      ['2025-11-21T01-m', request(1), 'FAILED: States.Runtime: An error occurred.'],
      ['2025-11-21T01-m', request(1), 'TIMED_OUT'],
      [
        '2025-11-21T01-m',
        undefined,
        expect.stringMatching(/^ABORTED\. The notice is without the request: re-run the hour/),
      ],
    ]);
    const { stdout } = await account.cli(['redrive', '--stack', STACK, '--dry-run']);
    expect(stdout).toMatch(
      /Z {2}execution {2}\{"source":.*"hour":"2025-11-21T01"\}\n +name: 2025-11-21T01-m\n +reason: FAILED: SlowDown: Reduce/,
    );
  });

  it('shows ten of many', async () => {
    await bury(...Array.from({ length: 12 }, () => request(1)));
    const { printed } = await account.json(['redrive', '--stack', STACK, '--dry-run']);
    expect(printed).toMatchObject({ messages: 12 });
    expect(printed['sample']).toHaveLength(10);
    const { stdout } = await account.cli(['redrive', '--stack', STACK, '--dry-run']);
    expect(stdout).toMatch(/^dry-run\n12 messages in the dead-letter queue, 10 of them:\n/);
  });

  it('has nothing to do if the dead-letter queue is empty', async () => {
    const { code, printed } = await account.json(['redrive', '--stack', STACK]);
    expect({ code, printed }).toMatchObject({ code: 0, printed: { status: 'empty', messages: 0, moved: 0 } });
    expect(account.stub.calls).not.toContain('AmazonSQS.StartMessageMoveTask');
  });
});

describe('redrive fails', () => {
  it('if another is running: found by its task', async () => {
    await bury(request(1));
    account.stub.task = {
      Status: 'RUNNING',
      ApproximateNumberOfMessagesMoved: 4,
      ApproximateNumberOfMessagesToMove: 9,
    };
    account.stub.beforeMove = (task) => {
      task['Status'] = 'RUNNING';
    };
    const { code, error } = await account.failure(['redrive', '--stack', STACK]);
    expect({ code, error }).toMatchObject({ code: 1, error: { code: 'RedriveRunning' } });
    expect(error['message']).toContain('4 of 9 messages moved: SQS allows one at a time');
    expect(account.stub.calls).not.toContain('AmazonSQS.StartMessageMoveTask');
  });

  it('if another is running: started in between', async () => {
    await bury(request(1));
    const receive = 'AmazonSQS.ReceiveMessage';
    account.stub.onCall = (name) => {
      if (name === receive) account.stub.task = { Status: 'RUNNING' };
    };
    const { code, error } = await account.failure(['redrive', '--stack', STACK]);
    expect({ code, error }).toMatchObject({ code: 1, error: { code: 'RedriveRunning' } });
    expect(account.stub.calls).toContain('AmazonSQS.StartMessageMoveTask');
  });

  it.each([
    ['FAILED', 'RedriveFailed', /failed after 1 of 2 messages: AccessDenied\./],
    ['CANCELLED', 'RedriveCancelled', /cancelled after 1 of 2 messages\./],
  ])('if the task ends as %s', async (status, code, message) => {
    await bury(request(1), request(2));
    account.stub.beforeMove = (task) => {
      if (task['ApproximateNumberOfMessagesMoved'] === 1) {
        Object.assign(task, { Status: status, FailureReason: 'AccessDenied' });
      }
    };
    const ended = await account.failure(['redrive', '--stack', STACK]);
    expect(ended).toMatchObject({ code: 1, error: { code } });
    expect(ended.error['message']).toMatch(message);
    expect(await inDeadLetters()).toBe(1);
  });

  it('without a deployment, and with a queue that does not exist', async () => {
    expect(await account.failure(['redrive'])).toMatchObject({
      code: 2,
      error: { message: 'Give --stack or --dlq-url.' },
    });
    const gone = `${account.stub.endpoint}/000000000000/gone`;
    expect(await account.failure(['redrive', '--dlq-url', gone])).toMatchObject({
      code: 1,
      error: { code: 'NoSuchQueue' },
    });
  });
});

import type * as Timers from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { environment, runInProcess, start } from '../command-line.ts';
import { type Account, STACK, TEMPLATE, openAccount, takeAll } from './operator-line.ts';

/** Runs in place of waiting, if it is set. */
const waiting = vi.hoisted<{ instead?: (() => Promise<void>) | undefined }>(() => ({}));
vi.mock('node:timers/promises', async (load) => {
  const timers = await load<typeof Timers>();
  const pause: typeof timers.setTimeout = async (...args) => {
    if (waiting.instead === undefined) return timers.setTimeout(...args);
    await waiting.instead();
    return args[1] as never;
  };
  return { ...timers, setTimeout: pause };
});

let account: Account;
beforeEach(async () => {
  account = await openAccount();
});
afterEach(async () => {
  waiting.instead = undefined;
  await account[Symbol.asyncDispose]();
});

const range = (from: string, to: string): string[] => ['--from', from, '--to', to];
const byStack = ['backfill', '--stack', STACK, '--source', TEMPLATE];
const request = (hour: string) => ({ source: TEMPLATE, hour, stream: 'checkout' });

describe('backfill', () => {
  it('queues a message an hour, first and last included, over the end of a day', async () => {
    const { code, printed } = await account.json([...byStack, ...range('2025-11-20T22', '2025-11-21T01')]);
    expect(code).toBe(0);
    expect(printed).toEqual({ status: 'queued', queueUrl: account.queueUrl, hours: 4, sent: 4 });
    expect(await takeAll(account)).toEqual(
      ['2025-11-20T22', '2025-11-20T23', '2025-11-21T00', '2025-11-21T01'].map(request),
    );
  });

  it('takes --stream in place of --source', async () => {
    const args = ['backfill', '--stack', STACK, '--stream', 'checkout'];
    const { code } = await account.json([...args, ...range('2025-11-21T07', '2025-11-21T08')]);
    expect(code).toBe(0);
    expect(await takeAll(account)).toEqual(['2025-11-21T07', '2025-11-21T08'].map(request));
  });

  it('shows with --dry-run what it would queue, and queues nothing', async () => {
    const args = [...byStack, ...range('2025-11-21T07', '2025-11-21T08'), '--repack', '--dry-run'];
    const { code, printed } = await account.json(args);
    expect(code).toBe(0);
    expect(printed).toEqual({
      status: 'dry-run',
      queueUrl: account.queueUrl,
      hours: 2,
      sent: 0,
      requests: ['2025-11-21T07', '2025-11-21T08'].map((hour) => ({ ...request(hour), repack: true })),
      prefixes: ['07', '08'].map((hour) => ({
        hour: `2025-11-21T${hour}`,
        source: `s3://application-logs/raw/checkout/20251121/${hour}/`,
        destination: `s3://application-logs/aggregated/checkout/20251121/${hour}/`,
      })),
    });
    expect((await account.cli(args)).stdout).toMatch(
      /\n {2}2025-11-21T08 {2}s3:.*raw\/checkout\/20251121\/08\/\n +to s3:.*aggregated\/checkout\/20251121\/08\/\n$/,
    );
    expect(account.stub.calls).not.toContain('AmazonSQS.SendMessage');
  });

  it('shows with --dry-run what it would queue without a deployment too', async () => {
    const args = ['backfill', '--source', TEMPLATE, ...range('2025-11-21T07', '2025-11-21T07')];
    const { code, printed } = await account.json([...args, '--dry-run']);
    expect({ code, printed }).toEqual({
      code: 0,
      printed: {
        status: 'dry-run',
        hours: 1,
        sent: 0,
        requests: [{ source: TEMPLATE, hour: '2025-11-21T07' }],
        prefixes: [{ hour: '2025-11-21T07', source: 's3://application-logs/raw/checkout/20251121/07/' }],
      },
    });
    expect((await account.cli([...args, '--dry-run'])).stdout).not.toContain('queue ');
    expect(account.stub.calls).toEqual([]);
    expect(await account.failure(args)).toMatchObject({
      code: 2,
      error: { message: 'Give --stack or --queue-url.' },
    });
  });

  it('never has more than --max-in-queue messages in the queue, those in work included', async () => {
    const { queues } = account;
    await queues.send('in work');
    const inWork = await queues.receive(queues.queueUrl);
    await queues.send('waiting');
    const args = [...byStack, ...range('2025-11-21T00', '2025-11-21T04'), '--max-in-queue', '3'];
    const depths: number[] = [];
    const taken: unknown[] = [];
    const take = async (): Promise<void> => {
      const message = await queues.receive(queues.queueUrl);
      if (message === undefined) return;
      taken.push(message.Body);
      await queues.delete(queues.queueUrl, message);
    };
    // A worker that takes two messages once the queue is full. In between, the command only sends.
    waiting.instead = async () => {
      depths.push(await queues.depth(queues.queueUrl));
      await take();
      await take();
    };
    const { code, stdout, stderr } = await account.cli([...args, '--json']);
    depths.push(await queues.depth(queues.queueUrl));
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ status: 'queued', sent: 5 });
    expect(depths).toEqual([3, 3, 3]);
    expect(taken).toHaveLength(4);
    expect(stderr).toMatch(/^queueing: 20%, 1 of 5 hours, 2 in the queue\nwaiting: 20%, 1 of 5 hours, /);
    if (inWork !== undefined) await queues.delete(queues.queueUrl, inWork);
  });

  it('ends on a signal while it waits, and leaves queued messages in the queue', async () => {
    const args = [...byStack, ...range('2025-11-21T00', '2025-11-21T04'), '--max-in-queue', '2'];
    const { child, ended } = start(args, environmentOf(account));
    child.stderr?.on('data', (text: Buffer) => {
      if (text.includes('waiting: 40%')) child.kill('SIGINT');
    });
    const { code, stdout, stderr } = await ended;
    expect({ code, stdout }).toEqual({ code: 130, stdout: '' });
    expect(stderr).toMatch(
      /error: Stopped by SIGINT\. 2 of 5 hours are queued, and are rolled up as the queue comes to them\. Go on with --from 2025-11-21T02\. \(Aborted\)\n$/,
    );
    expect(await takeAll(account)).toHaveLength(2);
  });

  it('goes by the proxy of the environment, and names it where it cannot be reached', async () => {
    const env = { ...environmentOf(account), HTTP_PROXY: 'http://127.0.0.1:1' };
    const { code, stderr } = await runInProcess(
      [...byStack, ...range('2025-11-21T07', '2025-11-21T07')],
      env,
    );
    expect(code).toBe(1);
    expect(stderr).toMatch(/HTTP_PROXY is http:\/\/127\.0\.0\.1:1: check .* \(EndpointUnreachable\)\n$/);
    expect(account.stub.calls).toEqual([]);
  });

  it('says which hour to go on from if the queue fails', async () => {
    const { stub } = account;
    let sends = 0;
    stub.onCall = (name) => {
      if (name === 'AmazonSQS.SendMessage' && ++sends > 2) throw new Error('down');
    };
    const { code, error } = await account.failure([...byStack, ...range('2025-11-21T00', '2025-11-21T04')]);
    expect(code).toBe(1);
    expect(error['message']).toMatch(/2 of 5 hours are queued: go on with --from 2025-11-21T02\.$/);
  });

  it.each<[string, string[], RegExp]>([
    [
      'a range that ends before it begins',
      range('2025-11-21T08', '2025-11-21T07'),
      /--from .* is after --to/,
    ],
    ['bad hours, both at once', range('x', 'y'), /--from "x" is not an hour.*--to "y" is not an hour/],
    ['more than ten years', range('1999-01-01T00', '2025-01-01T00'), /more than ten years/],
    [
      'a cap that is none',
      [...range('2025-11-21T07', '2025-11-21T08'), '--max-in-queue', '0'],
      /--max-in-queue must be a whole number from 1, not "0"/,
    ],
    [
      'a source without the hour',
      [...range('2025-11-21T07', '2025-11-21T08'), '--source', 's3://application-logs/raw/{yyyy}{MM}{dd}/'],
      /both for 2025-11-21T07 and for 2025-11-21T08.*\{HH\}/,
    ],
    [
      'a glob',
      [...range('2025-11-21T07', '2025-11-21T08'), '--source', 's3://application-logs/raw/*/{dd}/{HH}/'],
      /--source "s3:.*not a glob/,
    ],
    [
      'a destination without the hour',
      [...range('2025-11-21T07', '2025-11-21T08'), '--destination', 's3://application-logs/aggregated/x/'],
      /--destination "s3:.*both for/,
    ],
  ])('refuses %s', async (_, args, message) => {
    const { code, error } = await account.failure([...byStack, ...args]);
    expect({ code, error }).toMatchObject({ code: 2, error: { code: 'InvalidArgument' } });
    expect(error['message']).toMatch(message);
    expect(account.stub.calls).toEqual([]);
  });

  it('refuses an hour that goes on, before anything is queued', async () => {
    const next = new Date(Date.now() + 3_600_000).toISOString().slice(0, 13);
    const last = new Date(Date.now() - 3_600_000).toISOString().slice(0, 13);
    const { code, error } = await account.failure([...byStack, ...range(last, next)]);
    expect({ code, error }).toMatchObject({ code: 1, error: { code: 'HourNotEnded' } });
    expect(account.stub.calls).toEqual([]);
  });
});

function environmentOf({ sandbox, stub }: Account): NodeJS.ProcessEnv {
  return environment(sandbox.endpoint, {
    AWS_ENDPOINT_URL_SQS: stub.endpoint,
    AWS_ENDPOINT_URL_CLOUDFORMATION: stub.endpoint,
  });
}

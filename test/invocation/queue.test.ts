import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Sandbox } from '../../sandbox/sandbox.ts';
import { type QueueServer, startQueues } from '../support/queue-server.ts';
import { drain, moveBack } from './support/event-source.ts';
import { type LambdaProcess, startLambda } from './support/lambda-process.ts';
import {
  BUCKET,
  TEMPLATE,
  environmentOf,
  hourText,
  openBucket,
  outsideRequests,
  putHour,
  rawPrefix,
  rolledUp,
} from './support/raw-logs.ts';

let sandbox: Sandbox;
let queues: QueueServer;
let lambda: LambdaProcess;

beforeEach(async () => {
  sandbox = await openBucket();
  queues = await startQueues();
  const env = environmentOf(sandbox, {
    AWS_ENDPOINT_URL_SQS: queues.endpoint,
    QUEUE_URL: queues.queueUrl,
    LOOK_BACK_HOURS: '0',
  });
  const fastBackoff = new URL('support/fast-backoff.ts', import.meta.url).href;
  lambda = await startLambda({ env, execArgv: ['--import', fastBackoff] });
});
afterEach(async () => {
  await lambda[Symbol.asyncDispose]();
  await queues[Symbol.asyncDispose]();
  await sandbox.close();
});

const scheduled = { source: TEMPLATE, scheduledTime: '2025-11-21T09:10:00Z', stream: 'checkout' };

describe('the queue', () => {
  it('schedule message -> rolled up', async () => {
    const logs = putHour(sandbox, 8);
    await queues.send(scheduled);
    expect(await drain(queues, lambda)).toMatchObject([{ receives: 1, result: { status: 'committed' } }]);
    expect(rolledUp(sandbox, 8)).toBe(logs);
    expect(await queues.depth(queues.deadLetterUrl)).toBe(0);
  });

  it('the same message twice -> rolled up once', async () => {
    const logs = putHour(sandbox, 8);
    await queues.send(scheduled);
    await queues.send(scheduled);
    expect((await drain(queues, lambda)).map(({ result }) => result)).toMatchObject([
      { status: 'committed', written: 1 },
      { status: 'unchanged', written: 0 },
    ]);
    expect(rolledUp(sandbox, 8)).toBe(logs);
  });

  it('a poison message -> dead letters after five receives, others unharmed', async () => {
    const logs = [8, 9].map((hour) => putHour(sandbox, hour));
    const poison = '{"source":';
    await queues.send({ source: TEMPLATE, hour: hourText(8) });
    await queues.send(poison);
    await queues.send({ source: TEMPLATE, hour: hourText(9) });
    const deliveries = await drain(queues, lambda);
    const failed = deliveries.filter(({ failure }) => failure !== undefined);
    expect(failed).toMatchObject(
      [1, 2, 3, 4, 5].map((receives) => ({
        body: poison,
        receives,
        failure: { errorType: 'InvalidRequest' },
        log: [{ code: 'InvalidRequest' }],
      })),
    );
    expect(deliveries).toHaveLength(7);
    expect([8, 9].map((hour) => rolledUp(sandbox, hour))).toEqual(logs);
    expect(await queues.depth(queues.deadLetterUrl)).toBe(1);
    expect((await queues.receive(queues.deadLetterUrl))?.Body).toBe(poison);
  });

  it('messages for what is no hour of a stream -> dead letters, nothing touched', async () => {
    const env = environmentOf(sandbox, {
      AWS_ENDPOINT_URL_SQS: queues.endpoint,
      QUEUE_URL: queues.queueUrl,
      DELETE_SOURCE: 'true',
    });
    await using deleting = await startLambda({ env });
    putHour(sandbox, 8);
    sandbox.put(BUCKET, 'raw/other/20251121/08/a.log', 'other\n');
    const keys = sandbox.keys(BUCKET);
    const requests = outsideRequests();
    for (const [, request] of requests) await queues.send(request);
    const deliveries = await drain(queues, deleting);
    expect(deliveries).toHaveLength(5 * requests.length);
    for (const [, request, code] of requests) {
      const own = deliveries.filter(({ body }) => body === JSON.stringify(request));
      expect(own.map(({ failure }) => failure?.errorType)).toEqual([code, code, code, code, code]);
    }
    expect(sandbox.requests).toEqual([]);
    expect(sandbox.keys(BUCKET)).toEqual(keys);
    expect(await queues.depth(queues.deadLetterUrl)).toBe(requests.length);
  });

  it('what a stream and an hour say -> rolled up', async () => {
    const logs = putHour(sandbox, 8);
    await queues.send({ stream: 'checkout', hour: hourText(8) });
    expect(await drain(queues, lambda)).toMatchObject([{ receives: 1, result: { status: 'committed' } }]);
    expect(rolledUp(sandbox, 8)).toBe(logs);
  });

  it('a store that refuses -> tried again, dead letters, redriven, committed', async () => {
    const logs = putHour(sandbox, 8);
    const busy = `${rawPrefix(8)}00001.log`;
    sandbox.hook = ({ operation, key }) =>
      operation === 'GetObject' && key === busy
        ? { kind: 'error', status: 403, code: 'AccessDenied' }
        : undefined;
    await queues.send(scheduled);
    expect(await drain(queues, lambda)).toMatchObject(
      [1, 2, 3, 4, 5].map((receives) => ({
        receives,
        failure: { errorType: 'AccessDenied' },
        log: [{ code: 'AccessDenied', key: busy }],
        // Five attempts take half an hour, not five times a visibility timeout.
        hiddenSeconds: [60, 300, 900, 900, 30][receives - 1],
      })),
    );
    expect(await queues.depth(queues.deadLetterUrl)).toBe(1);
    expect(rolledUp(sandbox, 8)).toBeUndefined();

    sandbox.hook = undefined;
    await moveBack(queues);
    expect(await drain(queues, lambda)).toMatchObject([{ receives: 1, result: { status: 'committed' } }]);
    expect(rolledUp(sandbox, 8)).toBe(logs);
    expect(await queues.depth(queues.deadLetterUrl)).toBe(0);
  });
});

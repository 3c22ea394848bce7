import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MiB } from '../../lambda/size.ts';
import type { Hook, Sandbox } from '../../sandbox/sandbox.ts';
import { figuresOf } from '../support/figures.ts';
import { type QueueServer, startQueues } from '../support/queue-server.ts';
import { INVOCATION_MS, type LambdaProcess, startLambda } from './support/lambda-process.ts';
import {
  AGGREGATED_ROOT,
  BUCKET,
  RAW_ROOT,
  TEMPLATE,
  environmentOf,
  hourText,
  openBucket,
  outputKeys,
  putHour,
  rawPrefix,
  rolledUp,
} from './support/raw-logs.ts';
import { isSample } from '../support/hooks.ts';

let sandbox: Sandbox;
let queues: QueueServer;
let lambda: LambdaProcess;

beforeEach(async () => {
  sandbox = await openBucket();
  queues = await startQueues();
  const env = environmentOf(sandbox, {
    AWS_ENDPOINT_URL_SQS: queues.endpoint,
    QUEUE_URL: queues.queueUrl,
    OUTPUTS_IN_FLIGHT: '1',
    LOOK_BACK_HOURS: '0',
  });
  lambda = await startLambda({ env });
});
afterEach(async () => {
  await lambda[Symbol.asyncDispose]();
  await queues[Symbol.asyncDispose]();
  await sandbox.close();
});

const AGGREGATED_KEY = rawPrefix(8, 'aggregated');
/** The function's memory. */
const GIB = 1024 * MiB;
/** Two sources an output, two parts an output. */
const OUTPUTS = 10;
const putOutputs = (): string => putHour(sandbox, 8, { objects: 2 * OUTPUTS, bytes: 2.75 * MiB });

const request = { source: TEMPLATE, scheduledTime: '2025-11-21T09:10:00Z', stream: 'checkout' };
const continuation = {
  source: `${RAW_ROOT}checkout/20251121/08/`,
  destination: `${AGGREGATED_ROOT}checkout/20251121/08/`,
  hour: hourText(8),
  stream: 'checkout',
};
const isOutput = (key = ''): boolean => key.includes('/part-');

/** The number of uploads of each output. */
function writes(): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { operation, key = '' } of sandbox.requests) {
    if (!isOutput(key) || !['PutObject', 'CompleteMultipartUpload'].includes(operation)) continue;
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}

/** Every output takes a time of which an invocation has room for some, and not for ten. */
function slowOutputs(running: LambdaProcess): Hook {
  return async ({ operation, key }) => {
    if (operation === 'CompleteMultipartUpload' && isOutput(key)) await running.pass(INVOCATION_MS / 5);
    return undefined;
  };
}

/** Has time pass, the first time that it is called, until only those seconds are left in which an invocation ends itself. */
function lastSecondsOnce(running: LambdaProcess): () => Promise<void> {
  let passed: Promise<void> | undefined;
  return () => (passed ??= running.pass(INVOCATION_MS - 5_000));
}

describe('a run that runs out of time', () => {
  it('ends early, and continuations finish the hour, every output written once', async () => {
    const logs = putOutputs();
    sandbox.hook = slowOutputs(lambda);
    const first = await lambda.invoke(request);
    expect(first).toMatchObject({ result: { status: 'incomplete', manifest: null } });
    expect(first.leftMs).toBeGreaterThan(0);
    expect(first.log).toMatchObject([{ message: 'hour incomplete', continued: true, hour: hourText(8) }]);
    expect(first.metrics[0]).not.toHaveProperty('HoursCommitted');
    expect(rolledUp(sandbox, 8)).toBeUndefined();
    expect(outputKeys(sandbox, 8).length).toBeGreaterThan(0);
    expect(sandbox.openUploads(BUCKET)).toEqual([]);

    const runs = [first];
    for (let number = 1; runs.at(-1)?.log[0]?.['continued'] === true; number++) {
      const message = await queues.receive(queues.queueUrl);
      expect(JSON.parse(message?.Body ?? '')).toEqual({ ...continuation, continuation: number });
      const run = await lambda.invoke({ Records: [{ messageId: 'm', body: message?.Body }] });
      if (message !== undefined) await queues.delete(queues.queueUrl, message);
      expect(run.failure).toBeUndefined();
      expect(run.log).toMatchObject([{ continuation: number, stream: 'checkout' }]);
      expect(run.leftMs).toBeGreaterThan(0);
      runs.push(run);
    }
    expect(runs.at(-1)).toMatchObject({
      result: { status: 'committed', outputs: OUTPUTS },
      metrics: [{ HoursCommitted: 1 }],
    });
    expect(rolledUp(sandbox, 8)).toBe(logs);
    // What the last invocation left with the manifest is of itself.
    const last = runs.at(-1)?.result as { requests: { get: number } };
    const figures = figuresOf(sandbox, BUCKET, `${AGGREGATED_KEY}_manifest.json`);
    expect(figures).toMatchObject({ by: 'function', continuations: runs.length - 1, memoryLimitBytes: GIB });
    expect(figures?.requests.get).toBe(last.requests.get);
    expect(Object.keys(writes()).sort()).toEqual(outputKeys(sandbox, 8));
    expect(new Set(Object.values(writes()))).toEqual(new Set([1]));
    expect(runs.reduce((sum, { result }) => sum + (result as { written: number }).written, 0)).toBe(OUTPUTS);
    expect(sandbox.openUploads(BUCKET)).toEqual([]);
    expect(await queues.depth(queues.queueUrl)).toBe(0);
  });

  it('is stopped with an output in flight: it is incomplete without an error, and the upload is aborted', async () => {
    const logs = putOutputs();
    const allButTheLastSeconds = lastSecondsOnce(lambda);
    const [begun, writtenOutput] = [new Set<string>(), new Set<string>()];
    sandbox.hook = ({ operation, key = '' }) => {
      if (!isOutput(key)) return undefined;
      if (operation === 'CreateMultipartUpload') begun.add(key);
      if (operation === 'CompleteMultipartUpload') writtenOutput.add(key);
      if (operation !== 'UploadPart' || begun.size < 2) return undefined;
      void allButTheLastSeconds();
      return { kind: 'hang' };
    };
    const { result, log, leftMs } = await lambda.invoke(request);
    expect(result).toMatchObject({ status: 'incomplete', written: 1 });
    expect(log).toMatchObject([{ level: 'INFO', message: 'hour incomplete', continued: true }]);
    expect(leftMs).toBeGreaterThan(0);
    expect([begun.size, writtenOutput.size]).toEqual([2, 1]);
    expect(outputKeys(sandbox, 8)).toEqual([...writtenOutput]);
    expect(sandbox.openUploads(BUCKET)).toEqual([]);

    sandbox.hook = undefined;
    const message = await queues.receive(queues.queueUrl);
    const next = await lambda.invoke({ Records: [{ messageId: 'm', body: message?.Body }] });
    expect(next.result).toMatchObject({ status: 'committed', reused: 1, written: OUTPUTS - 1 });
    expect(rolledUp(sandbox, 8)).toBe(logs);
    expect(new Set(Object.values(writes()))).toEqual(new Set([1]));
  });

  it.each([
    ['a continuation', { ...continuation, continuation: 3 }],
    ['a first run', request],
  ])('fails with NoProgress where it wrote nothing: %s', async (_, event) => {
    putOutputs();
    const allButTheLastSeconds = lastSecondsOnce(lambda);
    sandbox.hook = (request) => {
      const { operation, key = '' } = request;
      if (operation !== 'GetObject' || !key.endsWith('.log') || isSample(request)) return undefined;
      void allButTheLastSeconds();
      return { kind: 'hang' };
    };
    const { failure, log, metrics } = await lambda.invoke(event);
    expect(failure).toMatchObject({ errorType: 'NoProgress' });
    expect(log).toMatchObject([{ level: 'ERROR', status: 'failed', code: 'NoProgress', hour: hourText(8) }]);
    expect(metrics).toMatchObject([{ Failures: 1, stream: 'checkout' }]);
    expect(await queues.depth(queues.queueUrl)).toBe(0);
    expect(sandbox.openUploads(BUCKET)).toEqual([]);
  });

  it('ends by itself where the store does not answer at all', async () => {
    let requests = 0;
    sandbox.hook = () => {
      if (++requests === 1) void lambda.pass(INVOCATION_MS - 3_000);
      return { kind: 'hang' };
    };
    const { failure, log, metrics } = await lambda.invoke(request);
    expect(failure).toMatchObject({ errorType: 'Timeout' });
    expect(log).toMatchObject([{ level: 'ERROR', status: 'failed', code: 'Timeout', hour: hourText(8) }]);
    expect(metrics).toMatchObject([{ Failures: 1, PeakConnections: 1 }]);
  });

  it('logs what held it before it is killed, where the queue does not answer at all', async () => {
    putOutputs();
    let outputs = 0;
    const silent = createServer(() => {
      void cut.pass(INVOCATION_MS * (1 - outputs / 5) - 500).then(() => cut.pass(500));
    });
    silent.listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const endpoint = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
    await using cut = await startLambda({
      env: environmentOf(sandbox, {
        AWS_ENDPOINT_URL_SQS: endpoint,
        QUEUE_URL: `${endpoint}/000000000000/silent`,
        OUTPUTS_IN_FLIGHT: '1',
        LOOK_BACK_HOURS: '0',
      }),
    });
    const slow = slowOutputs(cut);
    sandbox.hook = (asked) => {
      if (asked.operation === 'CompleteMultipartUpload' && isOutput(asked.key)) outputs++;
      return slow(asked);
    };
    try {
      const { id, failure, log, metrics } = await cut.invoke(request);
      expect(failure).toMatchObject({ errorType: 'Sandbox.Timedout' });
      expect(log).toMatchObject([
        { level: 'ERROR', function_request_id: id, status: 'failed', code: 'Timeout', hour: hourText(8) },
      ]);
      expect(metrics).toMatchObject([{ Failures: 1 }]);
    } finally {
      silent.closeAllConnections();
      silent.close();
    }
  });

  it('fails if its continuation cannot be sent, so that the request itself is delivered again', async () => {
    putOutputs();
    await using cut = await startLambda({
      env: environmentOf(sandbox, {
        AWS_ENDPOINT_URL_SQS: queues.endpoint,
        QUEUE_URL: `${queues.endpoint}/000000000000/gone`,
        OUTPUTS_IN_FLIGHT: '1',
        LOOK_BACK_HOURS: '0',
      }),
    });
    sandbox.hook = slowOutputs(cut);
    const { failure, log } = await cut.invoke(request);
    expect(failure?.errorType).toBe('QueueDoesNotExist');
    expect(log).toMatchObject([{ level: 'ERROR', status: 'failed', hour: hourText(8) }]);
  });
});

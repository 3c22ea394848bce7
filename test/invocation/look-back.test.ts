import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { METRICS } from '../../lambda/names.ts';
import type { Sandbox } from '../../sandbox/sandbox.ts';
import { type QueueServer, startQueues } from '../support/queue-server.ts';
import { drain } from './support/event-source.ts';
import { type LambdaProcess, startLambda } from './support/lambda-process.ts';
import {
  BUCKET,
  TEMPLATE,
  environmentOf,
  hourText,
  openBucket,
  putHour,
  rawPrefix,
  rolledUp,
} from './support/raw-logs.ts';

let sandbox: Sandbox;
let queues: QueueServer;
let lambda: LambdaProcess;

beforeEach(async () => {
  sandbox = await openBucket();
  queues = await startQueues({ visibilitySeconds: 30 });
  const env = environmentOf(sandbox, { AWS_ENDPOINT_URL_SQS: queues.endpoint, QUEUE_URL: queues.queueUrl });
  lambda = await startLambda({ env });
});
afterEach(async () => {
  await lambda[Symbol.asyncDispose]();
  await queues[Symbol.asyncDispose]();
  await sandbox.close();
});

/** The message that a schedule sends ten minutes past `hour`. */
const due = (hour: number) => ({
  source: TEMPLATE,
  scheduledTime: `${hourText(hour)}:10:00Z`,
  stream: 'checkout',
});
const counted = (metrics: Record<string, unknown>[]) =>
  Object.keys(metrics[0] ?? {}).filter((name) => /^(Hours|Objects|Failures)/.test(name));

describe('a scheduled run', () => {
  it('adds late arrivals to the two hours before, and counts only its own hour as committed', async () => {
    const logs = putHour(sandbox, 6);
    for (const hour of [7, 8]) putHour(sandbox, hour);
    for (const hour of [7, 8, 9]) await lambda.invoke({ source: TEMPLATE, hour: hourText(hour - 1) });
    sandbox.put(BUCKET, `${rawPrefix(6)}late.log`, 'late\n');
    sandbox.put(BUCKET, `${rawPrefix(7)}late.log`, 'late\n');
    putHour(sandbox, 9);
    await queues.send(due(10));
    const runs = await drain(queues, lambda);
    expect(runs.map(({ result }) => result)).toMatchObject([
      { status: 'committed', source: `s3://${BUCKET}/${rawPrefix(9)}` },
      { status: 'unchanged', source: `s3://${BUCKET}/${rawPrefix(8)}` },
      { status: 'committed', source: `s3://${BUCKET}/${rawPrefix(7)}`, written: 1, objects: 4 },
    ]);
    expect(runs.map(({ metrics }) => counted(metrics))).toEqual([
      [METRICS.hoursCommitted, METRICS.objects],
      [],
      [METRICS.hoursUpdated],
    ]);
    expect(runs[1]?.log).toMatchObject([{ stream: 'checkout', hour: hourText(8), lookBack: true }]);
    // A look back goes two hours back: the third is found by `status`, and re-run.
    expect(rolledUp(sandbox, 6)).toBe(logs);
    expect(await queues.depth(queues.deadLetterUrl)).toBe(0);
  });

  it('skips hours that were never rolled up: it lists and writes nothing', async () => {
    putHour(sandbox, 8);
    putHour(sandbox, 9);
    await queues.send(due(10));
    const [own, ...before] = await drain(queues, lambda);
    expect(own?.result).toMatchObject({ status: 'committed' });
    expect(before.map(({ result }) => result)).toEqual(
      [8, 7].map((hour) => expect.objectContaining({ status: 'skipped', hour: hourText(hour) }) as unknown),
    );
    for (const { metrics } of before) expect(metrics).toEqual([]);
    for (const hour of [7, 8]) expect(sandbox.keys(BUCKET, rawPrefix(hour, 'aggregated'))).toEqual([]);
    const listed = sandbox.requests.filter(({ prefix = '' }) => prefix.startsWith(rawPrefix(8)));
    expect(listed).toEqual([]);
  });

  it('may be delivered twice; a request by hand or a continuation does not look back', async () => {
    for (const hour of [8, 9]) putHour(sandbox, hour);
    await lambda.invoke({ source: TEMPLATE, hour: hourText(8) });
    await lambda.invoke({ source: TEMPLATE, hour: hourText(9), continuation: 1 });
    expect(await queues.depth(queues.queueUrl)).toBe(0);
    await queues.send(due(10));
    await queues.send(due(10));
    const runs = await drain(queues, lambda);
    expect(runs).toHaveLength(6);
    expect(runs.filter(({ failure }) => failure !== undefined)).toEqual([]);
  });
});

it('a look back keeps the sources that a request by hand kept, until another request deletes them', async () => {
  const env = environmentOf(sandbox, {
    AWS_ENDPOINT_URL_SQS: queues.endpoint,
    QUEUE_URL: queues.queueUrl,
    DELETE_SOURCE: 'true',
  });
  await using deleting = await startLambda({ env });
  const kept = { source: TEMPLATE, hour: hourText(8) };
  const inRaw = () => sandbox.keys(BUCKET, rawPrefix(8)).length;
  for (const hour of [8, 9]) putHour(sandbox, hour);
  const logs = inRaw();
  await deleting.invoke({ ...kept, deleteSource: false });
  sandbox.put(BUCKET, `${rawPrefix(8)}late.log`, 'late\n');
  for (const status of ['committed', 'unchanged']) {
    await queues.send(due(10));
    const runs = await drain(queues, deleting);
    expect(runs.map(({ result }) => result)).toContainEqual(
      expect.objectContaining({
        status,
        source: `s3://${BUCKET}/${rawPrefix(8)}`,
        warnings: [expect.objectContaining({ code: 'SourcesKept' })],
      }),
    );
    expect(sandbox.keys(BUCKET, rawPrefix(9))).toEqual([]);
    expect(inRaw()).toBe(logs + 1);
  }
  expect((await deleting.invoke({ ...kept, deleteSource: true })).result).toMatchObject({
    status: 'unchanged',
  });
  expect(inRaw()).toBe(0);
});

it('a queue that refuses look-back requests fails the run after its hour is committed', async () => {
  const logs = putHour(sandbox, 9);
  await using cut = await startLambda({
    env: environmentOf(sandbox, {
      AWS_ENDPOINT_URL_SQS: queues.endpoint,
      QUEUE_URL: `${queues.endpoint}/000000000000/gone`,
    }),
  });
  const { failure, metrics } = await cut.invoke(due(10));
  expect(failure).toMatchObject({ errorType: 'LookBackUnsent' });
  expect(failure?.errorMessage).toContain(`${hourText(8)}, ${hourText(7)}`);
  expect(rolledUp(sandbox, 9)).toBe(logs);
  expect(counted(metrics)).toEqual(expect.arrayContaining([METRICS.hoursCommitted, METRICS.failures]));
});

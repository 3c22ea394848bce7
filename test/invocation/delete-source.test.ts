import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { METRICS } from '../../lambda/names.ts';
import type { Sandbox } from '../../sandbox/sandbox.ts';
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
let lambda: LambdaProcess;
beforeAll(async () => {
  sandbox = await openBucket();
  lambda = await startLambda({ env: environmentOf(sandbox, { DELETE_SOURCE: 'true' }) });
});
beforeEach(() => {
  sandbox.hook = undefined;
});
afterAll(async () => {
  await lambda[Symbol.asyncDispose]();
  await sandbox.close();
});

const inRaw = (hour: number): number => sandbox.keys(BUCKET, rawPrefix(hour)).length;

it('a deployment that deletes sources does so for every request', async () => {
  const logs = putHour(sandbox, 8);
  const { result } = await lambda.invoke({ source: TEMPLATE, hour: hourText(8) });
  expect(result).toMatchObject({ status: 'committed', deleted: { objects: 3, complete: true } });
  expect(inRaw(8)).toBe(0);
  expect(rolledUp(sandbox, 8)).toBe(logs);
});

it('but for one that says no', async () => {
  putHour(sandbox, 9);
  const { result } = await lambda.invoke({ source: TEMPLATE, hour: hourText(9), deleteSource: false });
  expect(result).not.toHaveProperty('deleted');
  expect(inRaw(9)).toBe(3);
});

it('a refused delete fails the invocation, so that the message comes again; the hour counts as committed', async () => {
  putHour(sandbox, 10);
  sandbox.hook = ({ operation }) =>
    operation === 'DeleteObjects'
      ? { kind: 'refuse-keys', code: (key) => (key.endsWith('1.log') ? 'AccessDenied' : undefined) }
      : undefined;
  const event = { source: TEMPLATE, hour: hourText(10), stream: 'checkout' };
  const { failure, log, metrics } = await lambda.invoke(event);
  expect(failure).toMatchObject({
    errorType: 'AccessDenied',
    errorMessage: expect.stringMatching(/^The hour is committed, but .*00001\.log/) as unknown,
  });
  expect(log).toMatchObject([
    {
      level: 'ERROR',
      message: 'hour committed, but not everything that follows a commit was done',
      code: 'AccessDenied',
      key: `${rawPrefix(10)}00001.log`,
    },
  ]);
  expect(metrics).toMatchObject([{ [METRICS.hoursCommitted]: 1, [METRICS.failures]: 1 }]);
  sandbox.hook = undefined;
  expect((await lambda.invoke(event)).result).toMatchObject({ status: 'unchanged', deleted: { objects: 1 } });
  expect(inRaw(10)).toBe(0);
});

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Sandbox } from '../../sandbox/sandbox.ts';
import { type LambdaProcess, startLambda } from './support/lambda-process.ts';
import {
  AGGREGATED_ROOT,
  BUCKET,
  RAW_ROOT,
  TEMPLATE,
  environmentOf,
  hourText,
  openBucket,
  outsideRequests,
  putHour,
} from './support/raw-logs.ts';

let sandbox: Sandbox;
let lambda: LambdaProcess;

beforeAll(async () => {
  sandbox = await openBucket();
  putHour(sandbox, 8);
  lambda = await startLambda({ env: environmentOf(sandbox) });
});
beforeEach(() => {
  sandbox.clearRequests();
});
afterAll(async () => {
  await lambda[Symbol.asyncDispose]();
  await sandbox.close();
});

const record = (body: string) => ({ Records: [{ messageId: 'm-1', body }] });
const hour = hourText(8);
const now = (): string => new Date().toISOString().slice(0, 13);

describe('a bad request', () => {
  it.each<[string, unknown, string]>([
    ['is not JSON', record('{"source":'), 'InvalidRequest'],
    ['has unknown fields', record(JSON.stringify({ source: TEMPLATE, hour, sources: [] })), 'InvalidRequest'],
    ['has no source', { hour }, 'InvalidRequest'],
    ['has a bad hour', { source: TEMPLATE, hour: '2025-11-21 08' }, 'InvalidRequest'],
    ['has an hour that is in no calendar', { source: TEMPLATE, hour: '2025-02-29T08' }, 'InvalidArgument'],
    ['has placeholders without an hour', { source: TEMPLATE }, 'InvalidRequest'],
    ['is for a foreign bucket', { source: 's3://somebody-elses/raw/x/' }, 'OutsideRoot'],
    ['is for another prefix', { source: `s3://${BUCKET}/secret/` }, 'OutsideRoot'],
    [
      'writes to a foreign bucket',
      { source: TEMPLATE, hour, destination: 's3://somebody-elses/aggregated/' },
      'OutsideRoot',
    ],
    ['writes to raw', { source: TEMPLATE, hour, destination: `${RAW_ROOT}rollup/` }, 'OutsideRoot'],
    ['steps up from its root', { source: `${RAW_ROOT}../secret/` }, 'InvalidArgument'],
    ['is for all of raw', record(JSON.stringify({ source: RAW_ROOT })), 'OutsideStream'],
    [
      'is for another destination',
      { source: TEMPLATE, hour, destination: `${AGGREGATED_ROOT}x/` },
      'OutsideStream',
    ],
    ['is for the future', { source: TEMPLATE, hour: '2999-01-01T00' }, 'HourNotEnded'],
    ['is for an hour that goes on', { source: TEMPLATE, hour: now() }, 'HourNotEnded'],
  ])(
    'that %s is refused with a code that the log shows; nothing is listed or written',
    async (_, event, code) => {
      const { failure, log, metrics } = await lambda.invoke(event);
      expect(failure).toMatchObject({ errorType: code });
      expect(log).toMatchObject([
        {
          level: 'ERROR',
          message: 'request refused',
          status: 'refused',
          code,
          error: {
            name: 'RollupError',
            message: failure?.errorMessage,
            stack: expect.stringContaining('lambda/handler.ts') as string,
          },
        },
      ]);
      expect(metrics).toMatchObject([{ service: 'LogRollup', stream: 'unnamed', Failures: 1 }]);
      expect(sandbox.requests).toEqual([]);
    },
  );

  it('leaves the next one unharmed', async () => {
    await lambda.invoke({ source: TEMPLATE, stream: 'bad' });
    const { result, log } = await lambda.invoke({ source: TEMPLATE, hour });
    expect(result).toMatchObject({ status: 'committed' });
    expect(log).toMatchObject([{ level: 'INFO', stream: 'unnamed', hour }]);
  });
});

describe('a request for what is no hour of a stream', () => {
  it.each(outsideRequests())('%s: refused, nothing is listed or written', async (_, request, code) => {
    const keys = sandbox.keys(BUCKET);
    const { failure, log } = await lambda.invoke(request);
    expect(failure).toMatchObject({ errorType: code });
    expect(log).toMatchObject([{ level: 'ERROR', status: 'refused', code }]);
    expect(sandbox.requests).toEqual([]);
    expect(sandbox.keys(BUCKET)).toEqual(keys);
  });

  it('is carried out where any prefix is allowed, and what it rolled up is not deleted', async () => {
    const env = environmentOf(sandbox, { ALLOW_ANY_PREFIX: 'true', DELETE_SOURCE: 'true' });
    await using open = await startLambda({ env });
    const key = 'raw/other/20251121/08/a.log';
    sandbox.put(BUCKET, key, 'other\n');
    const request = { source: `${RAW_ROOT}other/` };
    const { result } = await open.invoke(request);
    expect(result).toMatchObject({ status: 'committed', objects: 1 });
    expect(result).not.toHaveProperty('deleted');
    expect(sandbox.get(BUCKET, key)).toBeDefined();
    expect((await open.invoke({ ...request, deleteSource: true })).failure).toMatchObject({
      errorType: 'InvalidRequest',
    });
    expect((await open.invoke({ stream: 'checkout', hour })).result).toHaveProperty('deleted');
    expect(sandbox.get(BUCKET, key)).toBeDefined();
  });
});

describe('an hour that has not ended', () => {
  it('is rolled up where that is forced', async () => {
    const { result } = await lambda.invoke({ source: TEMPLATE, hour: now(), force: true });
    expect(result).toMatchObject({ status: 'empty' });
  });
});

describe('a bad environment', () => {
  it('is refused by every invocation, all of it at once, with a code that the log shows', async () => {
    const env = environmentOf(sandbox, { RAW_ROOT: 'raw/', CONCURRENCY: 'many', GRACE_SECONDS: '5m' });
    await using broken = await startLambda({ env });
    for (const event of [
      { source: TEMPLATE, hour },
      { source: TEMPLATE, hour },
    ]) {
      const { failure, log } = await broken.invoke(event);
      expect(failure).toMatchObject({ errorType: 'InvalidEnvironment' });
      for (const value of ['"raw/"', '"many"', '"5m"']) expect(failure?.errorMessage).toContain(value);
      expect(log).toMatchObject([{ level: 'ERROR', code: 'InvalidEnvironment' }]);
    }
    expect(sandbox.requests).toEqual([]);
  });
});

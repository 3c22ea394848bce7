import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { METRICS } from '../../lambda/names.ts';
import type { Sandbox } from '../../sandbox/sandbox.ts';
import { type LambdaProcess, type LogLine, startLambda } from './support/lambda-process.ts';
import {
  BUCKET,
  TEMPLATE,
  environmentOf,
  hourText,
  openBucket,
  putHour,
  rawPrefix,
} from './support/raw-logs.ts';

let sandbox: Sandbox;
let lambda: LambdaProcess;

beforeAll(async () => {
  sandbox = await openBucket();
  lambda = await startLambda({ env: environmentOf(sandbox) });
});
afterEach(() => {
  sandbox.hook = undefined;
});
afterAll(async () => {
  await lambda[Symbol.asyncDispose]();
  await sandbox.close();
});

/** The metrics of a document in the embedded metric format: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html */
function readMetrics(document: LogLine | undefined) {
  const { _aws: meta, ...rest } = document as LogLine & {
    _aws: {
      CloudWatchMetrics: {
        Namespace: string;
        Dimensions: string[][];
        Metrics: { Name: string; Unit: string }[];
      }[];
    };
  };
  const [only, ...more] = meta.CloudWatchMetrics;
  expect(more).toEqual([]);
  const names = only?.Metrics.map(({ Name }) => Name) ?? [];
  return {
    namespace: only?.Namespace,
    dimensions: only?.Dimensions.map((set) => Object.fromEntries(set.map((name) => [name, rest[name]]))),
    values: Object.fromEntries(names.map((name) => [name, rest[name]])),
    units: Object.fromEntries(only?.Metrics.map(({ Name, Unit }) => [Name, Unit]) ?? []),
  };
}

const EFFORT = {
  [METRICS.duration]: 'Seconds',
  [METRICS.retries]: 'Count',
  [METRICS.connections]: 'Count',
  [METRICS.memory]: 'Bytes',
  [METRICS.fileDescriptors]: 'Count',
};

describe('a run', () => {
  it('logs request id, stream, hour, status, counts and duration in one line', async () => {
    const logs = putHour(sandbox, 8, { objects: 5 });
    sandbox.put(BUCKET, `${rawPrefix(8)}empty.log`, '');
    const { id, log } = await lambda.invoke({ source: TEMPLATE, hour: hourText(8), stream: 'checkout' });
    expect(log).toEqual([
      expect.objectContaining({
        level: 'INFO',
        message: 'hour committed',
        service: 'LogRollup',
        function_request_id: id,
        stream: 'checkout',
        continuation: 0,
        hour: hourText(8),
        status: 'committed',
        continued: false,
        objects: 5,
        bytes: logs.length,
        skipped: { empty: 1, filtered: 0 },
        outputs: 1,
        written: 1,
        reused: 0,
        copied: 0,
        requests: { list: 4, get: 9, put: 12, copy: 0, delete: 3, retries: 0 },
        durationSeconds: expect.any(Number) as number,
        peak: {
          fileDescriptors: expect.any(Number) as number,
          connections: expect.any(Number) as number,
          rssBytes: expect.any(Number) as number,
          inFlightBytes: expect.any(Number) as number,
        },
      }),
    ]);
  });

  it('of an hour without sources is a warning, and counts as empty as long as it is', async () => {
    sandbox.put(BUCKET, `${rawPrefix(20).slice(0, -1)}-a.log`, 'text\n');
    const message = { source: TEMPLATE, hour: hourText(20), stream: 'checkout' };
    const { log, metrics } = await lambda.invoke(message);
    expect(log).toEqual([
      expect.objectContaining({
        level: 'WARN',
        message: 'hour empty',
        warnings: [expect.objectContaining({ code: 'NoObjects' })],
      }),
    ]);
    expect(readMetrics(metrics[0]).values).toMatchObject({
      [METRICS.hoursEmpty]: 1,
      [METRICS.hoursCommitted]: 1,
    });
    const lookBack = await lambda.invoke({ ...message, lookBack: true });
    expect(readMetrics(lookBack.metrics[0]).values).not.toHaveProperty(METRICS.hoursEmpty);
    putHour(sandbox, 20, { objects: 2 });
    const filled = await lambda.invoke(message);
    expect(filled.log).toMatchObject([{ level: 'INFO', message: 'hour committed' }]);
    expect(readMetrics(filled.metrics[0]).values).not.toHaveProperty(METRICS.hoursEmpty);
  });

  it('has every metric that alarms and dashboard look for, by service and stream', async () => {
    const logs = putHour(sandbox, 9, { objects: 4 });
    sandbox.hook = ({ operation, key }) => {
      if (operation !== 'GetObject' || key !== `${rawPrefix(9)}00002.log`) return undefined;
      sandbox.hook = undefined;
      return { kind: 'error', status: 500, code: 'InternalError' };
    };
    const { metrics } = await lambda.invoke({ source: TEMPLATE, hour: hourText(9), stream: 'checkout' });
    expect(metrics).toHaveLength(1);
    const { namespace, dimensions, values, units } = readMetrics(metrics[0]);
    expect(namespace).toBe(METRICS.namespace);
    expect(dimensions).toEqual([{ service: 'LogRollup', stream: 'checkout' }]);
    expect(units).toEqual({
      ...EFFORT,
      [METRICS.hoursCommitted]: 'Count',
      [METRICS.objects]: 'Count',
      [METRICS.bytes]: 'Bytes',
      [METRICS.outputs]: 'Count',
      [METRICS.reused]: 'Count',
    });
    expect(values).toMatchObject({
      [METRICS.hoursCommitted]: 1,
      [METRICS.objects]: 4,
      [METRICS.bytes]: logs.length,
      [METRICS.outputs]: 1,
      [METRICS.reused]: 0,
      [METRICS.retries]: 1,
    });
    for (const name of Object.keys(EFFORT)) expect(values[name]).toBeGreaterThan(0);
    const unmeasured: string[] = [
      METRICS.namespace,
      METRICS.serviceDimension,
      METRICS.streamDimension,
      METRICS.unnamedStream,
      METRICS.failures,
      METRICS.hoursUpdated,
      METRICS.hoursEmpty,
    ];
    const measured = Object.values(METRICS).filter((name) => !unmeasured.includes(name));
    expect(Object.keys(values).sort()).toEqual(measured.sort());
  });

  it('that fails logs its code, its key and what it took, and counts as a failure alone', async () => {
    putHour(sandbox, 10);
    const key = `${rawPrefix(10)}00001.log`;
    sandbox.hook = (request) =>
      request.operation === 'GetObject' && request.key === key
        ? { kind: 'error', status: 403, code: 'AccessDenied' }
        : undefined;
    const event = { source: TEMPLATE, hour: hourText(10), stream: 'checkout' };
    const { id, failure, log, metrics } = await lambda.invoke(event);
    expect(failure).toMatchObject({ errorType: 'AccessDenied' });
    expect(log).toEqual([
      expect.objectContaining({
        level: 'ERROR',
        message: 'request failed',
        function_request_id: id,
        stream: 'checkout',
        hour: hourText(10),
        status: 'failed',
        code: 'AccessDenied',
        key,
        durationSeconds: expect.any(Number) as number,
        error: {
          name: 'RollupError',
          message: failure?.errorMessage,
          stack: expect.stringContaining('lambda/s3/download.ts') as string,
          cause: expect.objectContaining({ name: 'AccessDenied' }) as unknown,
        },
        requests: expect.objectContaining({ list: 4, get: expect.any(Number) as number }) as unknown,
        peak: expect.objectContaining({ connections: expect.any(Number) as number }) as unknown,
      }),
    ]);
    const { dimensions, units } = readMetrics(metrics[0]);
    expect(metrics).toHaveLength(1);
    expect(dimensions).toEqual([{ service: 'LogRollup', stream: 'checkout' }]);
    expect(units).toEqual({ ...EFFORT, [METRICS.failures]: 'Count' });
  });

  it('takes nothing from the one before it into its log or its metrics', async () => {
    putHour(sandbox, 11);
    await lambda.invoke({ source: TEMPLATE, hour: hourText(11), stream: 'checkout' });
    const { log, metrics } = await lambda.invoke({ source: `s3://${BUCKET}/${rawPrefix(11)}` });
    expect(log).toMatchObject([{ stream: 'unnamed', status: 'unchanged' }]);
    expect(metrics.map((document) => readMetrics(document).dimensions)).toEqual([
      [{ service: 'LogRollup', stream: 'unnamed' }],
    ]);
  });
});

describe('a run that goes on', () => {
  it('logs descriptors and memory every 5 seconds', async () => {
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'test');
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'test');
    vi.stubEnv('AWS_REGION', 'us-east-1');
    vi.stubEnv('POWERTOOLS_METRICS_DISABLED', 'true');
    const env = environmentOf(sandbox);
    for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
    const { createInvocation } = await import('../../lambda/invocation/invocation.ts');
    const { logger } = await import('../../lambda/invocation/telemetry.ts');
    const samples: unknown[] = [];
    const info = vi.spyOn(logger, 'info').mockImplementation((...[message, fields]) => {
      if (message === 'sample') samples.push(fields);
    });
    putHour(sandbox, 12);
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    try {
      // The clock advances by twelve seconds while the first download waits.
      sandbox.hook = ({ operation }) => {
        if (operation !== 'GetObject') return undefined;
        sandbox.hook = undefined;
        vi.advanceTimersByTime(12_000);
        return undefined;
      };
      const message = { source: TEMPLATE, hour: hourText(12) };
      const context = { awsRequestId: 'id', getRemainingTimeInMillis: () => 900_000 } as never;
      await createInvocation(process.env).handle(message, context);
      expect(samples).toHaveLength(2);
      expect(info).toHaveBeenLastCalledWith('hour committed', expect.anything());
      vi.advanceTimersByTime(60_000);
      expect(samples).toHaveLength(2);
    } finally {
      vi.useRealTimers();
      vi.unstubAllEnvs();
    }
    for (const sample of samples) {
      expect(sample).toEqual({
        fileDescriptors: expect.any(Number) as number,
        connections: expect.any(Number) as number,
        rssBytes: expect.any(Number) as number,
        heapUsed: expect.any(Number) as number,
        external: expect.any(Number) as number,
      });
    }
  });
});

import { describe, expect, it } from 'vitest';
import type { FunctionConfig } from '../../lambda/environment.ts';
import { type RequestMessage, continuationOf, parseEvent, resolveRequest } from '../../lambda/request.ts';
import { formatLocation } from '../../lambda/rollup/location.ts';
import { DEFAULT_SETTINGS } from '../../lambda/settings.ts';

const config: FunctionConfig = {
  settings: DEFAULT_SETTINGS,
  rawRoot: { bucket: 'logs', prefix: 'raw/' },
  aggregatedRoot: { bucket: 'rollups', prefix: 'aggregated/' },
  queueUrl: undefined,
};
const TEMPLATE = 's3://logs/raw/checkout/{yyyy}{MM}{dd}/{HH}/';
const NOW = new Date('2026-11-21T09:10:00Z');

const resolve = (message: RequestMessage, now = NOW, own: Partial<FunctionConfig> = {}) => {
  const { source, destination, hour, repack, stream } = resolveRequest(message, { ...config, ...own }, now);
  return {
    source: formatLocation(source),
    destination: formatLocation(destination),
    hour,
    repack,
    stream,
  };
};

describe('resolveRequest', () => {
  it.each<[string, RequestMessage, string, string, string | undefined]>([
    [
      'the schedule: the hour before',
      { source: TEMPLATE, scheduledTime: '2026-11-21T09:10:00Z' },
      's3://logs/raw/checkout/20261121/08/',
      's3://rollups/aggregated/checkout/20261121/08/',
      '2026-11-21T08',
    ],
    [
      'the schedule at midnight: the day before',
      { source: TEMPLATE, scheduledTime: '2026-11-21T00:10:00Z' },
      's3://logs/raw/checkout/20261120/23/',
      's3://rollups/aggregated/checkout/20261120/23/',
      '2026-11-20T23',
    ],
    [
      'a time with an offset: in UTC',
      { source: TEMPLATE, scheduledTime: '2026-11-21T00:40:00+01:30' },
      's3://logs/raw/checkout/20261120/22/',
      's3://rollups/aggregated/checkout/20261120/22/',
      '2026-11-20T22',
    ],
    [
      'an hour',
      { source: TEMPLATE, hour: '2026-11-21T08' },
      's3://logs/raw/checkout/20261121/08/',
      's3://rollups/aggregated/checkout/20261121/08/',
      '2026-11-21T08',
    ],
    [
      'an hour with a destination of its own',
      { source: TEMPLATE, hour: '2026-11-21T08', destination: 's3://rollups/aggregated/{HH}/by-hour' },
      's3://logs/raw/checkout/20261121/08/',
      's3://rollups/aggregated/08/by-hour/',
      '2026-11-21T08',
    ],
    [
      'a plain prefix',
      { source: 's3://logs/raw/checkout/20261121/08' },
      's3://logs/raw/checkout/20261121/08/',
      's3://rollups/aggregated/checkout/20261121/08/',
      undefined,
    ],
    [
      'dots that are no segment',
      { source: 's3://logs/raw/a..b/.c/' },
      's3://logs/raw/a..b/.c/',
      's3://rollups/aggregated/a..b/.c/',
      undefined,
    ],
  ])('fills in %s', (_, message, source, destination, hour) => {
    expect(resolve(message)).toEqual({ source, destination, hour, repack: false, stream: 'unnamed' });
  });

  it.each<[string, Partial<RequestMessage> & { source?: string }, string]>([
    ['a source in another bucket', { source: 's3://other/raw/checkout/' }, 'OutsideRoot'],
    ['a source beside the root', { source: 's3://logs/raw-2/checkout/' }, 'OutsideRoot'],
    ['a source above the root', { source: 's3://logs/' }, 'OutsideRoot'],
    ['a destination in another bucket', { destination: 's3://logs/aggregated/x/' }, 'OutsideRoot'],
    ['a destination beside the root', { destination: 's3://rollups/aggregated2/x/' }, 'OutsideRoot'],
    ['a step up in the source', { source: 's3://logs/raw/../secret/' }, 'InvalidArgument'],
    ['a step up in the destination', { destination: 's3://rollups/aggregated/../x/' }, 'InvalidArgument'],
    ['what is no location', { source: 'logs/raw/checkout/' }, 'InvalidArgument'],
    ['a day that is in no calendar', { source: TEMPLATE, hour: '2026-02-30T08' }, 'InvalidArgument'],
    ['an hour that is in no day', { source: TEMPLATE, hour: '2026-11-21T24' }, 'InvalidArgument'],
    [
      'a placeholder that is none',
      { source: 's3://logs/raw/{hour}/', hour: '2026-11-21T08' },
      'InvalidArgument',
    ],
    ['placeholders without an hour', { source: TEMPLATE }, 'InvalidRequest'],
    ['placeholders in the destination alone', { destination: 's3://rollups/{HH}/' }, 'InvalidRequest'],
    ['an hour in the future', { source: TEMPLATE, hour: '2026-11-21T10' }, 'HourNotEnded'],
    ['an hour that goes on', { source: TEMPLATE, hour: '2026-11-21T09' }, 'HourNotEnded'],
    ['a schedule in the future', { source: TEMPLATE, scheduledTime: '2026-11-21T11:10:00Z' }, 'HourNotEnded'],
  ])('refuses %s', (_, message, code) => {
    const source = 's3://logs/raw/checkout/20261121/08/';
    expect(() => resolve({ source, ...message })).toThrow(expect.objectContaining({ code }));
  });

  it('refuses an hour within the grace period, and takes it from its end on', () => {
    const message = { source: TEMPLATE, hour: '2026-11-21T08' };
    const early = new Date('2026-11-21T09:04:59.999Z');
    expect(() => resolve(message, early)).toThrow(
      'Hour 2026-11-21T08 may still be written to: it is rolled up from 2026-11-21T09:05:00.000Z on.',
    );
    expect(resolve(message, new Date('2026-11-21T09:05:00Z')).hour).toBe('2026-11-21T08');
    const settings = { ...DEFAULT_SETTINGS, graceSeconds: 0 };
    expect(resolve(message, new Date('2026-11-21T09:00:00Z'), { settings }).hour).toBe('2026-11-21T08');
    expect(resolve({ ...message, force: true }, early).hour).toBe('2026-11-21T08');
  });

  it('refuses a destination in the source, where roots share a bucket', () => {
    const roots = { rawRoot: { bucket: 'logs', prefix: '' }, aggregatedRoot: { bucket: 'logs', prefix: '' } };
    const message = { source: 's3://logs/a/', destination: 's3://logs/a/b/' };
    expect(() => resolve(message, NOW, roots)).toThrow(expect.objectContaining({ code: 'InvalidArgument' }));
  });
});

describe('continuationOf', () => {
  it('settles what the clock and the roots had filled in, and keeps the rest', () => {
    const message = {
      source: TEMPLATE,
      scheduledTime: '2026-11-21T09:10:00Z',
      repack: true,
      force: true,
      stream: 'checkout',
    };
    const continuation = continuationOf(resolveRequest(message, config, NOW));
    expect(continuation).toEqual({
      source: 's3://logs/raw/checkout/20261121/08/',
      destination: 's3://rollups/aggregated/checkout/20261121/08/',
      hour: '2026-11-21T08',
      repack: true,
      force: true,
      stream: 'checkout',
      continuation: 1,
    });
    expect(continuationOf(resolveRequest(continuation, config, NOW))).toEqual({
      ...continuation,
      continuation: 2,
    });
  });

  it('is a request', () => {
    const resolved = resolveRequest({ source: 's3://logs/raw/checkout/' }, config, NOW);
    const continuation = continuationOf(resolved);
    expect(parseEvent(JSON.parse(JSON.stringify(continuation)))).toEqual([continuation]);
    expect(continuation).not.toHaveProperty('hour');
  });
});

describe('parseEvent', () => {
  const request = { source: TEMPLATE, hour: '2026-11-21T08' };
  const record = (body: string) => ({ messageId: 'm-1', body, eventSource: 'aws:sqs' });

  it.each<[string, unknown, unknown[]]>([
    ['a request', request, [request]],
    ['an EventBridge event', { version: '0', 'detail-type': 'Roll up', detail: request }, [request]],
    ['an SQS record', { Records: [record(JSON.stringify(request))] }, [request]],
    [
      'several SQS records',
      { Records: [record(JSON.stringify(request)), record('{"source":"s3://logs/raw/x/"}')] },
      [request, { source: 's3://logs/raw/x/' }],
    ],
  ])('takes %s', (_, event, messages) => {
    expect(parseEvent(event)).toEqual(messages);
  });

  it.each<[string, unknown, string]>([
    ['a body that is not JSON', { Records: [record('{"source":')] }, 'Message m-1 is not JSON: {"source":'],
    ['a body that is no object', { Records: [record('[1]')] }, 'It was: [1]'],
    ['no records', { Records: [] }, 'Unrecognized key: "Records"'],
    ['records of another service', { Records: [{ s3: {} }] }, 'Unrecognized key: "Records"'],
    ['nothing', undefined, 'It was: null'],
    ['no source', { hour: '2026-11-21T08' }, 'source'],
    ['an unknown field', { ...request, sources: [] }, 'Unrecognized key: "sources"'],
    ['an unknown field in an event', { 'detail-type': 'x', detail: { ...request, x: 1 } }, '"x"'],
    ['an hour in another form', { ...request, hour: '2026-11-21 08' }, 'hour in UTC, such as 2026-11-21T08'],
    ['a time that is none', { source: TEMPLATE, scheduledTime: '<aws.scheduler>' }, 'scheduledTime'],
    ['a time without a zone', { source: TEMPLATE, scheduledTime: '2026-11-21T09:10:00' }, 'scheduledTime'],
    ['force that is text', { ...request, force: 'true' }, 'force'],
    ['a stream without a name', { ...request, stream: '' }, 'stream'],
    ['a continuation below none', { ...request, continuation: -1 }, 'continuation'],
  ])('refuses %s', (_, event, why) => {
    expect(() => parseEvent(event)).toThrow(
      expect.objectContaining({ code: 'InvalidRequest', message: expect.stringContaining(why) as string }),
    );
  });
});

describe('deleting sources', () => {
  const deleting = { settings: { ...DEFAULT_SETTINGS, deleteSource: true } };
  const hour = { source: TEMPLATE, hour: '2026-11-21T08' };

  it.each<[string, RequestMessage, Partial<FunctionConfig>, boolean]>([
    ['is off', hour, {}, false],
    ['is on where the deployment is for it', hour, deleting, true],
    ['can be switched off by a request', { ...hour, deleteSource: false }, deleting, false],
    ['may be asked for where it is on', { ...hour, deleteSource: true }, deleting, true],
  ])('%s', (_, message, own, expected) => {
    const request = resolveRequest(message, { ...config, ...own }, NOW);
    expect(request.deleteSource).toBe(expected);
    const resumed = resolveRequest(continuationOf(request), { ...config, ...own }, NOW);
    expect(resumed.deleteSource).toBe(expected);
  });

  it('cannot be switched on by a request', () => {
    expect(() => resolve({ ...hour, deleteSource: true })).toThrow(
      /this deployment does not delete raw logs/,
    );
  });
});

import { describe, expect, it } from 'vitest';
import type { FunctionConfig } from '../../lambda/invocation/environment.ts';
import { type RequestMessage } from '../../lambda/invocation/message.ts';
import {
  type ResolvedRequest,
  continuationOf,
  deliveriesOf,
  parseEvent,
  resolveRequest,
} from '../../lambda/invocation/request.ts';
import { formatLocation } from '../../lambda/rollup/model/location.ts';
import { DEFAULT_SETTINGS } from '../../lambda/settings/settings.ts';

const config: FunctionConfig = {
  settings: DEFAULT_SETTINGS,
  rawRoot: { bucket: 'logs', prefix: 'raw/' },
  aggregatedRoot: { bucket: 'rollups', prefix: 'aggregated/' },
  streams: ['checkout', 'search'].map((name) => ({
    name,
    source: `s3://logs/raw/${name}/{yyyy}{MM}{dd}/{HH}/`,
    destination: `s3://rollups/aggregated/${name}/{yyyy}{MM}{dd}/{HH}/`,
  })),
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
      'an hour with the destination that the stream gives it',
      {
        source: TEMPLATE,
        hour: '2026-11-21T08',
        destination: 's3://rollups/aggregated/checkout/{yyyy}{MM}{dd}/{HH}',
      },
      's3://logs/raw/checkout/20261121/08/',
      's3://rollups/aggregated/checkout/20261121/08/',
      '2026-11-21T08',
    ],
    [
      'a template with a part of it filled',
      { source: 's3://logs/raw/checkout/202611{dd}/{HH}', hour: '2026-11-21T08' },
      's3://logs/raw/checkout/20261121/08/',
      's3://rollups/aggregated/checkout/20261121/08/',
      '2026-11-21T08',
    ],
    [
      'a plain prefix',
      { source: 's3://logs/raw/checkout/20261121/08' },
      's3://logs/raw/checkout/20261121/08/',
      's3://rollups/aggregated/checkout/20261121/08/',
      '2026-11-21T08',
    ],
    [
      'what a release before this one left in the queue: a continuation',
      {
        source: 's3://logs/raw/search/20261121/08/',
        destination: 's3://rollups/aggregated/search/20261121/08/',
        hour: '2026-11-21T08',
        continuation: 2,
      },
      's3://logs/raw/search/20261121/08/',
      's3://rollups/aggregated/search/20261121/08/',
      '2026-11-21T08',
    ],
    [
      'what a release before this one left in the queue: a look back',
      { source: TEMPLATE, hour: '2026-11-21T07', lookBack: true },
      's3://logs/raw/checkout/20261121/07/',
      's3://rollups/aggregated/checkout/20261121/07/',
      '2026-11-21T07',
    ],
  ])('fills in %s', (_, message, source, destination, hour) => {
    expect(resolve(message)).toEqual({ source, destination, hour, repack: false, stream: 'unnamed' });
  });

  it.each<[string, RequestMessage]>([
    ['an hour', { stream: 'search', hour: '2026-11-21T08' }],
    ['a scheduled time', { stream: 'search', scheduledTime: '2026-11-21T09:10:00Z' }],
    ['an hour and its prefix', { stream: 'search', source: 's3://logs/raw/search/20261121/08/' }],
  ])('takes a stream with %s', (_, message) => {
    expect(resolve(message)).toEqual({
      source: 's3://logs/raw/search/20261121/08/',
      destination: 's3://rollups/aggregated/search/20261121/08/',
      hour: '2026-11-21T08',
      repack: false,
      stream: 'search',
    });
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
    ['all of raw', { source: 's3://logs/raw/' }, 'OutsideStream'],
    ['all of a stream', { source: 's3://logs/raw/checkout/' }, 'OutsideStream'],
    ['a whole day', { source: 's3://logs/raw/checkout/20261121/' }, 'OutsideStream'],
    ['a folder below an hour', { source: 's3://logs/raw/checkout/20261121/08/a/' }, 'OutsideStream'],
    ['a prefix of no stream', { source: 's3://logs/raw/other/20261121/08/' }, 'OutsideStream'],
    ['a month that there is not', { source: 's3://logs/raw/checkout/20261321/08/' }, 'OutsideStream'],
    ['a prefix with an hour of another', { hour: '2026-11-21T07' }, 'OutsideStream'],
    [
      'a prefix that is scheduled for another hour',
      { scheduledTime: '2026-11-21T09:00:00+02:00' },
      'OutsideStream',
    ],
    ['a prefix with another stream', { stream: 'search' }, 'OutsideStream'],
    ['a prefix with a stream that there is not', { stream: 'by-hand' }, 'OutsideStream'],
    [
      "another stream's hour as the destination",
      { destination: 's3://rollups/aggregated/search/20261121/08/' },
      'OutsideStream',
    ],
    [
      'another hour as the destination',
      { destination: 's3://rollups/aggregated/checkout/20261121/07/' },
      'OutsideStream',
    ],
    ['a destination of its own', { destination: 's3://rollups/aggregated/by-hand/' }, 'OutsideStream'],
    [
      'a prefix of no stream into the hour of one',
      {
        source: 's3://logs/raw/other/',
        destination: 's3://rollups/aggregated/checkout/20261121/08/',
        hour: '2026-11-21T08',
        stream: 'checkout',
      },
      'OutsideStream',
    ],
    ['a prefix of an hour that goes on', { source: 's3://logs/raw/checkout/20261121/09/' }, 'HourNotEnded'],
    [
      'a prefix of an hour that goes on, as a continuation',
      { source: 's3://logs/raw/checkout/20261121/09/', continuation: 1 },
      'HourNotEnded',
    ],
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
    const roots = {
      ...{ rawRoot: { bucket: 'logs', prefix: '' }, aggregatedRoot: { bucket: 'logs', prefix: '' } },
      settings: { ...DEFAULT_SETTINGS, allowAnyPrefix: true },
    };
    const message = { source: 's3://logs/a/', destination: 's3://logs/a/b/' };
    expect(() => resolve(message, NOW, roots)).toThrow(expect.objectContaining({ code: 'InvalidArgument' }));
  });
});

describe('continuationOf', () => {
  it('names the hour, source and destination that were filled in, and keeps the other fields', () => {
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
    const open = { ...config, settings: { ...DEFAULT_SETTINGS, allowAnyPrefix: true } };
    const resolved = resolveRequest({ source: 's3://logs/raw/checkout/' }, open, NOW);
    const continuation = continuationOf(resolved);
    expect(parseEvent(JSON.parse(JSON.stringify(continuation)))).toEqual([continuation]);
    expect(continuation).not.toHaveProperty('hour');
    const named = continuationOf(resolveRequest({ stream: 'search', hour: '2026-11-21T08' }, config, NOW));
    expect(named).toEqual({
      source: 's3://logs/raw/search/20261121/08/',
      destination: 's3://rollups/aggregated/search/20261121/08/',
      hour: '2026-11-21T08',
      stream: 'search',
      continuation: 1,
    });
    expect(continuationOf(resolveRequest(named, config, NOW))).toEqual({ ...named, continuation: 2 });
  });
});

describe('parseEvent', () => {
  const request = { source: TEMPLATE, hour: '2026-11-21T08' };
  const record = (body: string) => ({ messageId: 'm-1', body, eventSource: 'aws:sqs' });

  it.each<[string, unknown, unknown[]]>([
    ['a request', request, [request]],
    [
      'a stream and an hour',
      { stream: 'checkout', hour: '2026-11-21T08' },
      [{ stream: 'checkout', hour: '2026-11-21T08' }],
    ],
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
    ['no source', { hour: '2026-11-21T08' }, 'must have a "source", or a "stream" and an "hour"'],
    ['a stream without an hour', { stream: 'checkout' }, 'must have a "source"'],
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

describe('deliveriesOf', () => {
  it('has id, body and receipt of each SQS record', () => {
    const record = { messageId: 'm-1', receiptHandle: 'r-1', body: '{', attributes: {} };
    const attributes = { ApproximateReceiveCount: '2' };
    expect(deliveriesOf({ Records: [{ ...record, attributes }, record] })).toEqual([
      { messageId: 'm-1', body: '{', receipt: { handle: 'r-1', receives: 2 } },
      { messageId: 'm-1', body: '{' },
    ]);
  });

  it('has the request alone for other events', () => {
    expect(deliveriesOf({ 'detail-type': 'Roll up', detail: 1 })).toEqual([{ body: 1 }]);
    expect(deliveriesOf({ Records: [] })).toEqual([{ body: { Records: [] } }]);
  });
});

describe('deleting sources', () => {
  const deleting = { settings: { ...DEFAULT_SETTINGS, deleteSource: true } };
  const hour = { source: TEMPLATE, hour: '2026-11-21T08' };

  it.each<[string, RequestMessage, Partial<FunctionConfig>, Partial<ResolvedRequest>]>([
    ['is off', hour, {}, { mayDelete: false, deleteSource: undefined }],
    ['is on where the deployment is for it', hour, deleting, { mayDelete: true, deleteSource: undefined }],
    [
      'can be switched off by a request',
      { ...hour, deleteSource: false },
      deleting,
      { mayDelete: true, deleteSource: false },
    ],
    [
      'may be asked for where it is on',
      { ...hour, deleteSource: true },
      deleting,
      { mayDelete: true, deleteSource: true },
    ],
  ])('%s', (_, message, own, expected) => {
    const request = resolveRequest(message, { ...config, ...own }, NOW);
    expect(request).toMatchObject(expected);
    const resumed = resolveRequest(continuationOf(request), { ...config, ...own }, NOW);
    expect(resumed).toMatchObject(expected);
  });

  it('cannot be switched on by a request', () => {
    expect(() => resolve({ ...hour, deleteSource: true })).toThrow(
      /this deployment does not delete raw logs/,
    );
  });
});

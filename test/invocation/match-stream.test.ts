import { describe, expect, it } from 'vitest';
import type { FunctionConfig } from '../../lambda/invocation/environment.ts';
import { lookBacksOf } from '../../lambda/invocation/look-back.ts';
import { type RequestMessage } from '../../lambda/invocation/message.ts';
import { continuationOf, resolveRequest } from '../../lambda/invocation/request.ts';
import { streamUnder } from '../../lambda/invocation/streams.ts';
import { formatLocation } from '../../lambda/rollup/model/location.ts';
import { DEFAULT_SETTINGS } from '../../lambda/settings/settings.ts';

const ROOTS = {
  rawRoot: { bucket: 'logs', prefix: 'raw/' },
  aggregatedRoot: { bucket: 'rollups', prefix: 'aggregated/' },
};
const config: FunctionConfig = {
  ...ROOTS,
  settings: DEFAULT_SETTINGS,
  streams: ['checkout', 'search'].map((name) => streamUnder(ROOTS, name, `${name}/{yyyy}{MM}{dd}/{HH}/`)),
  queueUrl: undefined,
};
const TEMPLATE = 's3://logs/raw/checkout/{yyyy}{MM}{dd}/{HH}/';
const NOW = new Date('2026-11-21T09:10:00Z');

const resolve = (message: RequestMessage, own: Partial<FunctionConfig> = {}) =>
  resolveRequest(message, { ...config, ...own }, NOW);

describe('the stream of a request', () => {
  it('says which streams there are and what fits', () => {
    expect(() => resolve({ source: 's3://logs/raw/other/' })).toThrow(
      'Source s3://logs/raw/other/ is no hour of a stream of this deployment. Streams are checkout (s3://logs/raw/checkout/{yyyy}{MM}{dd}/{HH}/), search (s3://logs/raw/search/{yyyy}{MM}{dd}/{HH}/). Give the prefix of one hour of one of them, or "stream" and "hour". For other prefixes, deploy with allowAnyPrefix.',
    );
    const source = 's3://logs/raw/checkout/20261121/08/';
    const is = `Source ${source} is hour 2026-11-21T08 of stream checkout`;
    expect(() => resolve({ source, destination: 's3://rollups/aggregated/x/' })).toThrow(
      `${is}, which is rolled up to s3://rollups/aggregated/checkout/20261121/08/ and not to s3://rollups/aggregated/x/: leave the destination out.`,
    );
    expect(() => resolve({ source, stream: 'search' })).toThrow(`${is}, and not of "search"`);
    expect(() => resolve({ source, hour: '2026-11-21T07' })).toThrow(`${is}, and not hour 2026-11-21T07`);
    expect(() => resolve({ stream: 'chekout', hour: '2026-11-21T08' })).toThrow(
      'There is no stream "chekout". Streams are checkout (',
    );
    const streams = Array.from({ length: 100 }, () => config.streams).flat();
    expect(() => resolve({ source: 's3://logs/raw/other/' }, { streams })).toThrow(/ and 192 more\. Give/);
  });

  it('keeps apart streams of which one lies in the other, and asks where it cannot', () => {
    const streams = [
      streamUnder(ROOTS, 'all', '{yyyy}/{MM}/{dd}/{HH}/'),
      streamUnder(ROOTS, 'errors', '{yyyy}/{MM}/{dd}/{HH}/errors/'),
      streamUnder(ROOTS, 'american', '{yyyy}/{dd}/{MM}/{HH}/'),
    ];
    const configuredAt = (message: RequestMessage) => {
      const { configured, hour } = resolve(message, { streams });
      return [configured?.name, hour];
    };
    expect(configuredAt({ source: 's3://logs/raw/2026/11/21/08/' })).toEqual(['all', '2026-11-21T08']);
    expect(configuredAt({ source: 's3://logs/raw/2026/11/21/08/errors/' })).toEqual([
      'errors',
      '2026-11-21T08',
    ]);
    expect(configuredAt({ source: 's3://logs/raw/2026/21/11/08/' })).toEqual(['american', '2026-11-21T08']);
    const either = 's3://logs/raw/2026/10/11/08/';
    expect(() => configuredAt({ source: either })).toThrow(
      `${either} is hour 2026-10-11T08 of all, 2026-11-10T08 of american: say which, by "stream" or "hour".`,
    );
    expect(configuredAt({ source: either, stream: 'american' })).toEqual(['american', '2026-11-10T08']);
    expect(configuredAt({ source: either, hour: '2026-10-11T08' })).toEqual(['all', '2026-10-11T08']);
  });
});

describe('a stream whose source ends in the middle of a name', () => {
  const streams = [
    streamUnder(ROOTS, 'cdn', 'cf/E2.{yyyy}-{MM}-{dd}-{HH}'),
    streamUnder(ROOTS, 'app', 'app/{yyyy}{MM}{dd}/{HH}/'),
  ];
  const place = (message: RequestMessage, settings = config.settings) => {
    const { source, destination, configured, hour } = resolve(message, { streams, settings });
    return [formatLocation(source), formatLocation(destination), configured?.name, hour];
  };
  const CDN = [
    's3://logs/raw/cf/E2.2026-11-21-08',
    's3://rollups/aggregated/cf/E2.2026-11-21-08/',
    'cdn',
    '2026-11-21T08',
  ];

  it.each<[string, RequestMessage]>([
    ['its name', { stream: 'cdn', hour: '2026-11-21T08' }],
    [
      'its template',
      { source: 's3://logs/raw/cf/E2.{yyyy}-{MM}-{dd}-{HH}', scheduledTime: '2026-11-21T09:10:00Z' },
    ],
    ['its prefix', { source: 's3://logs/raw/cf/E2.2026-11-21-08' }],
    [
      'its prefix and destination',
      {
        source: 's3://logs/raw/cf/E2.2026-11-21-08',
        destination: 's3://rollups/aggregated/cf/E2.2026-11-21-08',
      },
    ],
  ])('is matched by %s, also once it is continued', (_, message) => {
    expect(place(message)).toEqual(CDN);
    expect(place(continuationOf(resolve(message, { streams })))).toEqual(CDN);
    for (const before of lookBacksOf(resolve(message, { streams }), 2))
      expect(place(before)[0]).toMatch(/^s3:\/\/logs\/raw\/cf\/E2\.2026-11-21-0[67]$/);
  });

  it('is not its folder, nor more or less of a name', () => {
    for (const end of ['/', '0', '.a', '/a/'])
      expect(() => place({ source: `s3://logs/raw/cf/E2.2026-11-21-08${end}` })).toThrow(
        'is no hour of a stream',
      );
    expect(() => place({ source: 's3://logs/raw/cf/E2.2026-11-21-0' })).toThrow('is no hour of a stream');
  });

  it('leaves a folder without its slash to the stream that has it', () => {
    expect(place({ source: 's3://logs/raw/app/20261121/08' })).toEqual([
      's3://logs/raw/app/20261121/08/',
      's3://rollups/aggregated/app/20261121/08/',
      'app',
      '2026-11-21T08',
    ]);
  });

  it('keeps its destinations from requests for any prefix', () => {
    const settings = { ...DEFAULT_SETTINGS, allowAnyPrefix: true };
    expect(place({ source: 's3://logs/raw/cf/E9' }, settings)).toEqual([
      's3://logs/raw/cf/E9',
      's3://rollups/aggregated/cf/E9/',
      undefined,
      undefined,
    ]);
    expect(place({ source: 's3://logs/raw' }, settings)[0]).toBe('s3://logs/raw/');
    const destination = 's3://rollups/aggregated/cf/E2.2026-11-21-08/';
    expect(() => place({ source: 's3://logs/raw/cf/E9', destination }, settings)).toThrow(
      'is kept for an hour of stream cdn',
    );
  });
});

describe('a deployment that allows any prefix', () => {
  const open = { settings: { ...DEFAULT_SETTINGS, allowAnyPrefix: true, deleteSource: true } };
  const settle = (message: RequestMessage) => resolve(message, open);

  it.each<[string, RequestMessage, string]>([
    ['all of raw', { source: 's3://logs/raw/' }, 's3://rollups/aggregated/'],
    ['dots that are no segment', { source: 's3://logs/raw/a..b/.c/' }, 's3://rollups/aggregated/a..b/.c/'],
    [
      'a name of its own',
      { source: 's3://logs/raw/checkout/20261121/', stream: 'by-hand' },
      's3://rollups/aggregated/checkout/20261121/',
    ],
    [
      'an hour with a destination of its own',
      { source: TEMPLATE, hour: '2026-11-21T08', destination: 's3://rollups/aggregated/{HH}/by-hour' },
      's3://rollups/aggregated/08/by-hour/',
    ],
  ])('takes %s, and never deletes it', (_, message, destination) => {
    const request = settle(message);
    expect(formatLocation(request.destination)).toBe(destination);
    expect(request).toMatchObject({ mayDelete: false, configured: undefined });
    expect(settle(continuationOf(request)).mayDelete).toBe(false);
    expect(settle({ ...message, deleteSource: false }).mayDelete).toBe(false);
    expect(() => settle({ ...message, deleteSource: true })).toThrow(
      /^"deleteSource": true is refused: the request is for no hour of a stream/,
    );
  });

  it('deletes what is an hour of a stream', () => {
    expect(settle({ source: TEMPLATE, hour: '2026-11-21T08' }).mayDelete).toBe(true);
  });

  it.each<[string, RequestMessage, string]>([
    ['a source beside the root', { source: 's3://logs/other/' }, 'OutsideRoot'],
    ['a stream that there is not, without a source', { stream: 'x', hour: '2026-11-21T08' }, 'OutsideStream'],
    [
      'the name of a stream for what is not of it',
      { source: 's3://logs/raw/x/', stream: 'checkout' },
      'OutsideStream',
    ],
    [
      'what takes the place of an hour',
      { source: 's3://logs/raw/x/', destination: 's3://rollups/aggregated/checkout/20261121/08/' },
      'OutsideStream',
    ],
    [
      'an hour that goes on, called another',
      { source: 's3://logs/raw/checkout/20261121/09/', hour: '2026-11-21T08' },
      'OutsideStream',
    ],
    [
      'an hour that goes on, to another destination',
      { source: 's3://logs/raw/checkout/20261121/09/', destination: 's3://rollups/aggregated/x/' },
      'HourNotEnded',
    ],
  ])('still refuses %s', (_, message, code) => {
    expect(() => settle(message)).toThrow(expect.objectContaining({ code }));
  });
});

describe('lookBacksOf', () => {
  const scheduledTime = '2026-11-21T01:10:00Z';
  it.each<[string, RequestMessage]>([
    ['a template', { source: TEMPLATE }],
    ['a template with a part of it filled', { source: 's3://logs/raw/checkout/20261121/{HH}/' }],
    ['a filled prefix', { source: 's3://logs/raw/checkout/20261121/00/' }],
    ['a stream', { stream: 'checkout' }],
  ])('are of the stream, whether the schedule gives %s', (_, given) => {
    const { stream } = given;
    const before = lookBacksOf(resolve({ ...given, scheduledTime }), 2);
    expect(before).toEqual(
      ['2026-11-20T23', '2026-11-20T22'].map((hour) => ({
        source: TEMPLATE,
        hour,
        ...(stream === undefined ? {} : { stream }),
        lookBack: true,
      })),
    );
    for (const message of before) expect(resolve(message).hour).toBe(message.hour);
  });
});

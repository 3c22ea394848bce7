import { describe, expect, it } from 'vitest';
import { parseEnvironment } from '../../lambda/invocation/environment.ts';
import { DEFAULT_SETTINGS } from '../../lambda/settings/settings.ts';

const ROOTS = {
  RAW_ROOT: 's3://logs/raw/',
  AGGREGATED_ROOT: 's3://logs/aggregated/',
  STREAMS: '["checkout"]',
};

describe('parseEnvironment', () => {
  it('has defaults for all variables but the roots, also for empty ones', () => {
    const config = {
      settings: DEFAULT_SETTINGS,
      rawRoot: { bucket: 'logs', prefix: 'raw/' },
      aggregatedRoot: { bucket: 'logs', prefix: 'aggregated/' },
      streams: [
        {
          name: 'checkout',
          source: 's3://logs/raw/checkout/{yyyy}{MM}{dd}/{HH}/',
          destination: 's3://logs/aggregated/checkout/{yyyy}{MM}{dd}/{HH}/',
        },
      ],
      queueUrl: undefined,
    };
    expect(parseEnvironment(ROOTS)).toEqual(config);
    const empty = { QUEUE_URL: '', TARGET_SIZE: '', CONCURRENCY: '', NEWLINE: '', GRACE_SECONDS: '' };
    expect(parseEnvironment({ ...ROOTS, ...empty })).toEqual(config);
  });

  it('takes every variable', () => {
    const environment = {
      RAW_ROOT: 's3://raw-logs',
      AGGREGATED_ROOT: 's3://rollups/logs',
      STREAMS: '[["audit","{yyyy}/{MM}/{dd}/{HH}/"]]',
      QUEUE_URL: 'https://sqs.eu-central-1.amazonaws.com/111122223333/requests',
      TARGET_SIZE: '64MiB',
      PART_SIZE: '16777216',
      CONCURRENCY: '32',
      OUTPUTS_IN_FLIGHT: '2',
      NEWLINE: 'none',
      GRACE_SECONDS: '0',
      FILTERS: '[{"exclude":"*.tmp"}]',
      GROUP_BY: '^([^/]+)/',
    };
    expect(parseEnvironment(environment)).toEqual({
      settings: {
        ...DEFAULT_SETTINGS,
        targetSize: 67_108_864,
        partSize: 16_777_216,
        concurrency: 32,
        outputsInFlight: 2,
        newline: 'none',
        graceSeconds: 0,
        filters: [{ exclude: '*.tmp' }],
        groupBy: '^([^/]+)/',
      },
      rawRoot: { bucket: 'raw-logs', prefix: '' },
      aggregatedRoot: { bucket: 'rollups', prefix: 'logs/' },
      streams: [
        {
          name: 'audit',
          source: 's3://raw-logs/{yyyy}/{MM}/{dd}/{HH}/',
          destination: 's3://rollups/logs/{yyyy}/{MM}/{dd}/{HH}/',
        },
      ],
      queueUrl: environment.QUEUE_URL,
    });
  });

  it('reports all bad values together', () => {
    const environment = {
      AGGREGATED_ROOT: 'logs/aggregated/',
      QUEUE_URL: 'requests',
      TARGET_SIZE: '1MiB',
      PART_SIZE: 'eight',
      CONCURRENCY: '251',
      OUTPUTS_IN_FLIGHT: '2.5',
      NEWLINE: 'yes',
      GRACE_SECONDS: '-1',
      FILTERS: '*.tmp',
      GROUP_BY: 'x',
    };
    const thrown = refusalOf(environment);
    expect(thrown).toMatchObject({ code: 'InvalidEnvironment' });
    for (const name of ['RAW_ROOT', ...Object.keys(environment)]) expect(String(thrown)).toContain(name);
    for (const value of Object.values(environment)) expect(String(thrown)).toContain(`"${value}"`);
  });

  it.each([
    ['raw in aggregated', 's3://logs/all/raw/', 's3://logs/all/'],
    ['aggregated in raw', 's3://logs/', 's3://logs/aggregated/'],
    ['the same', 's3://logs/raw/', 's3://logs/raw'],
  ])('refuses roots that overlap: %s', (_, RAW_ROOT, AGGREGATED_ROOT) => {
    expect(refusalOf({ ...ROOTS, RAW_ROOT, AGGREGATED_ROOT })).toMatchObject({
      code: 'InvalidEnvironment',
      message: 'RAW_ROOT and AGGREGATED_ROOT overlap: rollups would be rolled up.',
    });
  });

  it('takes two whole buckets as roots', () => {
    const roots = { RAW_ROOT: 's3://raw/', AGGREGATED_ROOT: 's3://rollups/' };
    expect(() => parseEnvironment({ ...ROOTS, ...roots })).not.toThrow();
  });
});

function refusalOf(environment: Record<string, string>): unknown {
  try {
    return parseEnvironment(environment);
  } catch (error) {
    return error;
  }
}

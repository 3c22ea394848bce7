import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RollupError } from '../../lambda/errors.ts';
import {
  DEFAULT_SETTINGS,
  MAX_CONNECTIONS,
  type RawSettings,
  maxSockets,
  parseSettings,
} from '../../lambda/settings/settings.ts';
import { type Settings } from '../../lambda/settings/table.ts';
import { GiB, MiB, formatSize, parseSize } from '../../lambda/size.ts';

const nameOf = (setting: keyof Settings): string => `--${setting}`;

describe('a size', () => {
  it.each([
    ['32MiB', 32 * MiB],
    ['32M', 32 * MiB],
    ['32 MiB', 32 * MiB],
    ['32MB', 32_000_000],
    ['33554432', 33_554_432],
    ['33554432B', 33_554_432],
    ['1.5GiB', 1.5 * GiB],
    ['1K', 1024],
    ['1KB', 1000],
    ['0', 0],
    [' 8MiB ', 8 * MiB],
  ])('%j', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  it.each(
    [
      [
        '',
        ' ',
        'lots',
        'MiB',
        '-1',
        '-1MiB',
        '1e6',
        '0x10',
        '1,5MiB',
        '32mib',
        '32 Mi B',
        '1.5',
        '.5MiB',
        '1.MiB',
      ],
      ['Infinity', 'NaN', '9999999GiB', '5constructor', '32MiB\n32MiB'],
    ].flat(),
  )('%j is none', (text) => {
    expect(parseSize(text)).toBeUndefined();
  });

  it.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1 KiB'],
    [1536, '1.5 KiB'],
    [32 * MiB, '32 MiB'],
    [1_717_986_918, '1.6 GiB'],
    [MiB - 1, '1.0 MiB'],
    [200 * MiB + 700_000, '201 MiB'],
  ])('%d reads %s', (bytes, text) => {
    expect(formatSize(bytes)).toBe(text);
  });

  it('of whole units reads back as itself', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1023 }), fc.constantFrom(1, 1024, MiB, GiB), (count, unit) => {
        expect(parseSize(formatSize(count * unit))).toBe(count * unit);
      }),
    );
  });
});

describe('settings', () => {
  it('are the defaults where nothing is given', () => {
    expect(parseSettings({}, nameOf)).toEqual(DEFAULT_SETTINGS);
    const absent: RawSettings = {
      targetSize: undefined,
      partSize: undefined,
      concurrency: undefined,
      newline: undefined,
    };
    expect(parseSettings(absent, nameOf)).toEqual(DEFAULT_SETTINGS);
  });

  it('are read from text and from numbers alike', () => {
    const settings = {
      ...DEFAULT_SETTINGS,
      targetSize: 5 * MiB,
      partSize: GiB,
      concurrency: 250,
      outputsInFlight: 16,
      newline: 'none',
      graceSeconds: 0,
      codec: 'zstd',
      level: 19,
    };
    expect(parseSettings(settings, nameOf)).toEqual({ ...DEFAULT_SETTINGS, ...settings });
    const written = {
      targetSize: '5MiB',
      partSize: '1GiB',
      concurrency: '250',
      outputsInFlight: '16',
      newline: 'none',
      graceSeconds: '0',
      codec: 'zstd',
      level: '19',
    };
    expect(parseSettings(written, nameOf)).toEqual({ ...DEFAULT_SETTINGS, ...settings });
  });

  it.each<[keyof Settings, string | number, string]>([
    ['targetSize', '3MiB', "must be a size from 5 MiB (S3's smallest part) to 1 GiB"],
    ['targetSize', 5 * MiB - 1, 'must be a size from 5 MiB'],
    ['targetSize', GiB + 1, 'must be a size from 5 MiB'],
    ['targetSize', 'lots', 'must be a size from 5 MiB'],
    ['targetSize', '', 'must be a size from 5 MiB'],
    ['targetSize', 6_000_000.5, 'must be a size from 5 MiB'],
    ['targetSize', NaN, ''],
    ['partSize', '4MiB', 'must be a size from 5 MiB'],
    ['concurrency', 0, 'must be a whole number from 1 to 250'],
    ['concurrency', 5000, 'must be a whole number from 1 to 250'],
    ['concurrency', '251', 'must be a whole number from 1 to 250'],
    ['concurrency', '-1', 'must be a whole number from 1 to 250'],
    ['concurrency', '6.4', 'must be a whole number from 1 to 250'],
    ['concurrency', '64 ', 'must be a whole number from 1 to 250'],
    ['concurrency', '', 'must be a whole number from 1 to 250'],
    ['concurrency', 'NaN', 'must be a whole number from 1 to 250'],
    ['outputsInFlight', 0, 'must be a whole number from 1 to 16'],
    ['outputsInFlight', 17, 'must be a whole number from 1 to 16'],
    ['newline', 'maybe', 'must be ensure or none'],
    ['newline', '', 'must be ensure or none'],
  ])('refuse %s %j', (setting, value, why) => {
    const refused = refusalOf({ [setting]: value });
    expect(refused.code).toBe('InvalidArgument');
    expect(refused.message).toContain(`--${setting} ${why}`);
    expect(refused.message).toContain(`not "${value}"`);
  });

  it('report every bad value together', () => {
    const { message } = refusalOf({
      targetSize: 'lots',
      partSize: '1',
      concurrency: 0,
      outputsInFlight: 'x',
      newline: 'y',
    });
    const named = ['--targetSize', '--partSize', '--concurrency', '--outputsInFlight', '--newline'];
    expect(named.filter((name) => message.includes(`${name} must be`))).toEqual(named);
  });

  it('never allow more connections than the cap, and always one for every download and a part', () => {
    const settings = fc.record({
      concurrency: fc.integer({ min: 1, max: 250 }),
      outputsInFlight: fc.integer({ min: 1, max: 16 }),
    });
    fc.assert(
      fc.property(settings, (given) => {
        const sockets = maxSockets({ ...DEFAULT_SETTINGS, ...given });
        expect(sockets).toBeLessThanOrEqual(MAX_CONNECTIONS);
        expect(sockets).toBeGreaterThanOrEqual(Math.min(given.concurrency + 1, MAX_CONNECTIONS));
      }),
    );
    expect(maxSockets(DEFAULT_SETTINGS)).toBe(78);
  });
});

function refusalOf(raw: RawSettings): RollupError {
  try {
    parseSettings(raw, nameOf);
  } catch (error) {
    if (error instanceof RollupError) return error;
    throw error;
  }
  throw new Error('Nothing was refused.');
}

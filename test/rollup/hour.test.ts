import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RollupError } from '../../lambda/errors.ts';
import { fillHour, formatHour, hasPlaceholders, parseHour } from '../../lambda/rollup/hour.ts';

describe('hour', () => {
  it('is that of any instant in UTC, and reads back as itself', () => {
    const instants = fc.date({
      min: new Date('1970-01-01'),
      max: new Date('9999-12-31'),
      noInvalidDate: true,
    });
    fc.assert(
      fc.property(instants, (instant) => {
        const hour = formatHour(instant);
        expect(parseHour(hour)).toBe(hour);
        expect(instant.getTime() - Date.parse(`${hour}:00:00Z`)).toBeLessThan(3_600_000);
        expect(instant.getTime()).toBeGreaterThanOrEqual(Date.parse(`${hour}:00:00Z`));
      }),
    );
  });

  it.each(
    [
      [
        '',
        '2026-11-21',
        '2026-11-21T8',
        '2026-11-21T24',
        '2026-02-29T00',
        '2026-13-01T00',
        '2026-11-21T08:00',
      ],
      [
        '2026-11-21T08Z',
        ' 2026-11-21T08',
        '2026-11-21T08\n',
        '26-11-21T08',
        '2026-11-31T08',
        '2026-11-00T08',
      ],
    ].flat(),
  )('refuses %j', (text) => {
    expect(() => parseHour(text)).toThrow(
      new RollupError('InvalidArgument', `"${text}" is not an hour: write it in UTC as 2026-11-21T08.`),
    );
  });

  it.each([
    ['s3://b/raw/{yyyy}{MM}{dd}/{HH}/', 's3://b/raw/20261121/08/'],
    ['s3://b/{yyyy}/{MM}/{dd}/{HH}/{yyyy}', 's3://b/2026/11/21/08/2026'],
    ['s3://b/raw/', 's3://b/raw/'],
  ])('fills %s', (template, filled) => {
    expect(fillHour(template, parseHour('2026-11-21T08'))).toBe(filled);
    expect(hasPlaceholders(filled)).toBe(false);
  });

  it.each(['{hh}', '{}', '{YYYY}', '{constructor}', '{toString}'])(
    'refuses %s in a template',
    (placeholder) => {
      expect(() => fillHour(`s3://b/${placeholder}/`, parseHour('2026-11-21T08'))).toThrow(
        `"${placeholder}" in`,
      );
      expect(hasPlaceholders(`s3://b/${placeholder}/`)).toBe(true);
    },
  );
});

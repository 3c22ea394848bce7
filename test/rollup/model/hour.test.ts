import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RollupError } from '../../../lambda/errors.ts';
import {
  fillHour,
  formatHour,
  hasPlaceholders,
  hourOfFilled,
  parseHour,
} from '../../../lambda/rollup/model/hour.ts';

describe('hour', () => {
  it('contains the instant that it was made from, in UTC, and parses as itself', () => {
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

describe('the hour of a filled template', () => {
  const HOUR = '{yyyy}{MM}{dd}/{HH}/';

  it.each<[string, string, string, string]>([
    ['a plain template', `raw/${HOUR}`, 'raw/20261121/08/', '2026-11-21T08'],
    ['fields in another order', '{HH}/{dd}.{MM}.{yyyy}/', '08/21.11.2026/', '2026-11-21T08'],
    ['fields without anything between', '{yyyy}{MM}{dd}{HH}/', '2026112108/', '2026-11-21T08'],
    ['a field that is there twice', `{HH}/${HOUR}`, '08/20261121/08/', '2026-11-21T08'],
    ['all fields twice', `${HOUR}${HOUR}`, '20261121/08/20261121/08/', '2026-11-21T08'],
    ['digits beside a field', `v1${HOUR}`, 'v120261121/08/', '2026-11-21T08'],
    ['a leap day', HOUR, '20280229/23/', '2028-02-29T23'],
    [
      'characters with a meaning in regular expressions',
      `a.*+?^$(x)|[y]\\/${HOUR}`,
      'a.*+?^$(x)|[y]\\/20261121/08/',
      '2026-11-21T08',
    ],
    ['characters outside of ASCII', `größe/日志/🪵/${HOUR}`, 'größe/日志/🪵/20261121/08/', '2026-11-21T08'],
    ['characters with a meaning in String.replace', `$&/$1/${HOUR}`, '$&/$1/20261121/08/', '2026-11-21T08'],
  ])('is found in %s', (_, template, filled, hour) => {
    expect(hourOfFilled(template, filled)).toBe(hour);
    expect(fillHour(template, parseHour(hour))).toBe(filled);
  });

  it.each<[string, string, string]>([
    ['nothing', HOUR, ''],
    ['the root alone', `raw/${HOUR}`, 'raw/'],
    ['a whole day', HOUR, '20261121/'],
    ['an hour without its slash', HOUR, '20261121/08'],
    ['a folder below an hour', HOUR, '20261121/08/errors/'],
    ['a second slash', HOUR, '20261121/08//'],
    ['another prefix', `app/${HOUR}`, 'other/20261121/08/'],
    ['a prefix that this begins with', `app/${HOUR}`, 'app2/20261121/08/'],
    ['another case', `App/${HOUR}`, 'app/20261121/08/'],
    ['a month that does not exist', HOUR, '20261321/08/'],
    ['month 0', HOUR, '20260021/08/'],
    ['a day that the month does not have', HOUR, '20260631/08/'],
    ['a leap day of another year', HOUR, '20260229/08/'],
    ['hour 24', HOUR, '20261121/24/'],
    ['an hour of one digit', HOUR, '20261121/8/'],
    ['a sign for a digit', HOUR, '20261121/+8/'],
    ['a blank for a digit', HOUR, '20261121/ 8/'],
    ['digits of another script', HOUR, '٢٠٢٦١١٢١/٠٨/'],
    ['the template itself', HOUR, HOUR],
    ['a field that is there twice, with two values', `{HH}/${HOUR}`, '07/20261121/08/'],
    ['a template that names no hour', '{yyyy}{MM}{dd}/', '20261121/'],
    ['a template that names nothing', 'raw/', 'raw/'],
    ['an unknown placeholder', `{team}/${HOUR}`, 'a/20261121/08/'],
  ])('is not found in %s', (_, template, filled) => {
    expect(hourOfFilled(template, filled)).toBeUndefined();
  });

  it('is the one that the template was filled with, whatever text is between the fields', () => {
    const instants = fc.date({
      min: new Date('1970-01-01'),
      max: new Date('9999-12-31'),
      noInvalidDate: true,
    });
    const between = fc.string({ unit: 'grapheme', maxLength: 8 }).filter((text) => !/[{}]/.test(text));
    fc.assert(
      fc.property(instants, fc.array(between, { minLength: 5, maxLength: 5 }), (instant, [a, b, c, d, e]) => {
        const template = `${a}{yyyy}${b}{MM}${c}{dd}${d}{HH}${e}`;
        const hour = formatHour(instant);
        expect(hourOfFilled(template, fillHour(template, hour))).toBe(hour);
      }),
    );
  });
});

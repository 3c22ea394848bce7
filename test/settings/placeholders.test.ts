import { describe, expect, it } from 'vitest';
import { fillSelection } from '../../lambda/rollup/plan/fill-selection.ts';
import { parseHour } from '../../lambda/rollup/model/hour.ts';
import { checkValues } from '../../lambda/settings/settings.ts';
import { findForeign } from '../../lambda/settings/placeholders.ts';

describe('findForeign', () => {
  it.each([
    ['raw/%Y/%m/%d/%H/', '%Y', '{yyyy}'],
    ['raw/%-m/', '%-m', '{MM}'],
    ['raw/dt=%F/', '%F', '{yyyy}-{MM}-{dd}'],
    ['raw/%H-*', '%H', '{HH}'],
    ['raw/{YYYY}/', '{YYYY}', '{yyyy}'],
    ['raw/{yyyy}/{mm}/', '{mm}', '{MM}'],
    ['raw/{DD}/', '{DD}', '{dd}'],
    ['raw/{hh}/', '{hh}', '{HH}'],
    ['raw/{year}/{month}/', '{year}', '{yyyy}'],
    ['logs-%{+YYYY.MM.dd}', '%{+YYYY.MM.dd}', '{yyyy}, {MM}, {dd} and {HH}'],
    ['!{timestamp:yyyy/MM/dd/HH}/', '!{timestamp:yyyy/MM/dd/HH}', '{yyyy}, {MM}, {dd} and {HH}'],
  ])('finds in %s what another program would fill', (text, found, use) => {
    expect(findForeign(text)).toEqual({ found, use });
  });

  it.each([
    'raw/{yyyy}{MM}{dd}/{HH}/',
    'a%20b%2Fc%d0%B0%FFd',
    '^\\d{2}-(\\p{L}+)\\p{M}{2,3}-\\{hh\\}',
    '[%]Y[{]HH}',
    '100%',
    '{region}',
    '{2}',
  ])('finds nothing in %s', (text) => {
    expect(findForeign(text)).toBeUndefined();
  });
});

describe('placeholders in filters and groupBy', () => {
  const HOUR = parseHour('2026-11-21T08');
  it.each([
    ['^{yyyy}{MM}{dd}/(\\w+)-{HH}', '^20261121/(\\w+)-08'],
    ['^({HH})+/', '^(08)+/'],
    ['^{HH}+(.)', '^(?:08)+(.)'],
    ['^{HH}{2}(.)', '^(?:08){2}(.)'],
    ['^{HH}{dd}?(.{2})', '^08(?:21)?(.{2})'],
    ['^\\{HH\\}-(\\d{4})', '^\\{HH\\}-(\\d{4})'],
  ])('%s is %s at the hour', (groupBy, filled) => {
    const { settings, problems } = checkValues({ groupBy });
    expect(problems).toEqual([]);
    expect(fillSelection(settings, HOUR, 'give it').groupBy).toBe(filled);
  });

  it('are filled in every glob; settings without any stay as they are, also without an hour', () => {
    const filters = [{ exclude: '*' }, { include: '{yyyy}-{MM}-{dd}-{HH}-*{HH}' }];
    expect(fillSelection({ filters }, HOUR, 'give it')).toEqual({
      filters: [{ exclude: '*' }, { include: '2026-11-21-08-*08' }],
    });
    const without = { filters: [{ exclude: '*{2}' }], groupBy: '^(.{2})' };
    expect(fillSelection(without, undefined, 'give it')).toEqual(without);
  });

  it.each([{ filters: [{ exclude: '{HH}' }] }, { groupBy: '^{HH}(.)' }])(
    'are refused without an hour: %j',
    (selection) => {
      expect(() => fillSelection(selection, undefined, 'give --hour')).toThrow(
        expect.objectContaining({
          code: 'InvalidArgument',
          message: expect.stringContaining(
            'has {HH} in it, and there is no hour that fills it: give --hour',
          ) as string,
        }),
      );
    },
  );
});

import { describe, expect, it } from 'vitest';
import { committedSelector, createSelector } from '../../../lambda/rollup/plan/select.ts';
import { checkValues } from '../../../lambda/settings/settings.ts';

const committed = (settings: Parameters<typeof committedSelector>[0]['settings']) =>
  committedSelector({ settings }, 'raw/');

describe('the selector of a manifest', () => {
  it.each<[string, Parameters<typeof committed>[0], string[], string[]]>([
    ['without filters and groups takes all', {}, ['raw/a', 'raw/b'], []],
    ['applies its filters', { filters: [{ exclude: '*.tmp' }] }, ['raw/a'], ['raw/a.tmp']],
    ['applies its groups', { groupBy: '^([a-z]+)/' }, ['raw/a/1'], ['raw/1/1', 'raw/a']],
    [
      'leaves out what would have ended its run',
      { groupBy: '^(.)/' },
      ['raw/a/1'],
      ['raw/_/1', 'raw/\u007f/1'],
    ],
    [
      'with a look-ahead, as of an earlier release, takes what it may have matched',
      { groupBy: '^(?!tmp/)([^/]+)/', filters: [{ exclude: '*.tmp' }] },
      ['raw/a/1', 'raw/tmp/1'],
      ['raw/a', 'raw/a/1.tmp'],
    ],
    [
      'with a back reference likewise',
      { groupBy: '^([a-z]+)-\\1/' },
      ['raw/a-a/1', 'raw/a-b/1'],
      ['raw/1-1/1'],
    ],
    [
      'with a glob above the length of today',
      { filters: [{ exclude: `${'*'.repeat(2_000)}b` }] },
      ['raw/a'],
      ['raw/b'],
    ],
  ])('%s', (_, settings, taken, left) => {
    const select = committed(settings);
    expect(taken.filter((key) => select(key) === undefined)).toEqual([]);
    expect(left.filter((key) => select(key) !== undefined)).toEqual([]);
  });

  it.each([
    [{ filters: 'all' }, "The manifest's filters is no list of globs"],
    [{ filters: [{ omit: '*' }] }, "The manifest's filters is no list of globs"],
    [{ groupBy: '([' }, "The manifest's groupBy is no regular expression with a capture group"],
    [{ groupBy: 'a' }, "The manifest's groupBy is no regular expression with a capture group"],
  ])('refuses %j', (settings, message) => {
    expect(() => committed(settings)).toThrow(
      expect.objectContaining({
        code: 'BadManifest',
        message: `${message}: it was not written by this program.`,
      }),
    );
  });

  it.each(['\n', '\r', '\t', '\u001b[31m', '\u007f', '\u0085', '\u2028', '\u202e', '\u2066'])(
    'no folder holds %j',
    (character) => {
      const key = `raw/a${character}b/1.log`;
      expect(() => createSelector({ groupBy: '^([^/]+)/' }, 'raw/')(key)).toThrow(
        expect.objectContaining({
          code: 'InvalidArgument',
          key,
          message: expect.stringContaining('it has a control character') as string,
        }),
      );
    },
  );
});

describe('settings refuse', () => {
  it.each([
    [
      'a look-ahead',
      { groupBy: '^(?!tmp)([^/]+)/' },
      /^must not have a look-ahead, "\(\?!tmp\)" at character 2: /,
    ],
    [
      'an expression that is longer than a key',
      { groupBy: `(${'a'.repeat(1_023)})` },
      /^must have at most 1024 characters/,
    ],
    [
      'a glob that is longer than a key',
      { filters: [{ exclude: '*'.repeat(1_025) }] },
      /^must have at most 1024 characters/,
    ],
  ])('%s', (_, settings, message) => {
    const { problems } = checkValues(settings);
    expect(problems).toHaveLength(1);
    expect(problems[0]?.message).toMatch(message);
  });
});

import { describe, expect, it } from 'vitest';
import { committedSelector, createSelector, createSorter } from '../../../lambda/rollup/plan/select.ts';
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

describe('what is no log', () => {
  const sorted = (settings: Parameters<typeof createSorter>[0], prefix: string, keys: string[]) => {
    const sort = createSorter(settings, prefix);
    return keys.map((key) => {
      const decision = sort(key);
      return 'folder' in decision ? decision.folder : decision.skipped;
    });
  };
  const hidden = ['_temporary/0/a.log', '.a.log.crc', 'b/_committed_1', 'b/.c/d/e.log', '_manifest.json.bak'];
  const own = [
    '_manifest.json',
    '08/_manifest.json',
    '08/_SUCCESS',
    '08/_sources-8d1c55e0a9b2.jsonl.gz',
    '08/_sources/sources.jsonl.gz',
    '08/_symlink_format_manifest/manifest',
    '08/_frames/part-00007-3f2a9c1b7d4e.log.gz.json.gz',
    '08/_frames/eu/app/part-00007-3f2a9c1b7d4e-0a1b2c3d.log.gz.json.gz',
    '08/_plan/3f2a9c1b7d4e0a5b.items.jsonl',
    '08/_plan/3f2a9c1b7d4e0a5b.mistaken.json',
    '08/_delete-proof-3f2a9c1b7d4e',
  ];
  const under = (names: string[], prefix = 'raw/') => names.map((name) => prefix + name);

  it('is told by its name', () => {
    expect(sorted({}, 'raw/', under(hidden))).toEqual(hidden.map(() => 'hidden'));
    expect(sorted({}, 'raw/', under(own))).toEqual(own.map(() => 'own'));
    expect(sorted({}, 'raw/', ['raw/a_b.log', 'raw/a.b/c._d', 'raw//a', 'raw/./a', 'raw/a/..'])).toEqual([
      '',
      '',
      '',
      '',
      '',
    ]);
    expect(sorted({}, 'raw/', ['raw/..a', 'raw/a/...', 'raw/_'])).toEqual(['hidden', 'hidden', 'hidden']);
    expect(sorted({}, '', hidden)).toEqual(hidden.map(() => 'hidden'));
  });

  it('is brought back by an include that matches it last, but for this program’s own', () => {
    const filters = [{ exclude: '*' }, { include: '*.log' }, { include: '_*' }, { include: '08/*' }];
    expect(sorted({ filters }, 'raw/', under(hidden))).toEqual(['', 'filtered', 'filtered', '', '']);
    expect(sorted({ filters }, 'raw/', under(own))).toEqual(own.map(() => 'own'));
    expect(sorted({ filters: [{ exclude: '_t*' }] }, 'raw/', under(hidden).slice(0, 2))).toEqual([
      'filtered',
      'hidden',
    ]);
  });

  it('is not told by what the prefix itself spells out', () => {
    const prefix = 'raw/_cf/.E2.2026-';
    expect(sorted({}, prefix, [`${prefix}a`, `${prefix}a/b`, `${prefix}a/_b`, `${prefix}_a/b`])).toEqual([
      '',
      '',
      'hidden',
      '',
    ]);
  });

  it('is left out of what verify misses, whichever release committed the rollup', () => {
    const select = committed({ filters: [{ include: '*.keep' }] });
    const old = committed({ groupBy: '(?=_)(.)' });
    expect(under([...hidden, ...own]).filter((key) => select(key) !== undefined)).toEqual([]);
    expect(select('raw/_a.keep')).toBe('');
    expect(old('raw/_a')).toBeUndefined();
  });
});

describe('a key with a line break', () => {
  it.each([
    ['that . would have to take for a capture', '^(.+)/', 'raw/a\nb/1.log'],
    ['that . would have to take behind a capture', '^([a-z]+)/.*[.]log$', 'raw/a/b\nc.log'],
    ['of another kind', '^(.+)/', 'raw/a\u2028b/1.log'],
  ])('%s is not silently in no group', (_, groupBy, key) => {
    expect(() => createSelector({ groupBy }, 'raw/')(key)).toThrow(
      expect.objectContaining({
        code: 'InvalidArgument',
        key,
        message: expect.stringContaining('has a line break, which . in groupBy does not match') as string,
      }),
    );
    expect(committed({ groupBy })(key)).toBeUndefined();
  });

  it.each([
    ['that no expression of the kind would match is in no group', '^(x)/.*', 'raw/a\nb', undefined],
    ['that the expression matches is in its group', '^([a-z]+)/[^]*$', 'raw/a/b\nc.log', 'a/'],
    ['that (?s:.) matches is in its group', '^([a-z]+)/(?s:.)*$', 'raw/a/b\nc.log', 'a/'],
    ['is left out by a glob', '^(.+)/', 'raw/a\nb/1.tmp', undefined],
  ])('%s', (_, groupBy, key, folder) => {
    expect(createSelector({ groupBy, filters: [{ exclude: '*.tmp' }] }, 'raw/')(key)).toBe(folder);
  });
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

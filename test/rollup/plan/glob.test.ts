import { describe, expect, it } from 'vitest';
import { countingGlob, parseGlob } from '../../../lambda/rollup/plan/glob.ts';

// The results of Python's fnmatch.fnmatchcase, which aws s3 uses.
describe('a glob', () => {
  it.each([
    ['*', 'a/b/c.log', true],
    ['*', '', true],
    ['', '', true],
    ['', 'a', false],
    ['*.log', 'a/b/c.log', true],
    ['*.log', 'c.log.gz', false],
    ['*.LOG', 'c.log', false],
    ['a/*', 'a/b/c', true],
    ['a/*', 'b/a/c', false],
    ['a*b*c', 'a/xb/ybzc', true],
    ['a*b*c', 'a/xb/ybz', false],
    ['**', 'a/b', true],
    ['*a*a*a*a*a*a*b', 'a'.repeat(1_000), false],
    ['?', '/', true],
    ['?', '😀', true],
    ['?', '', false],
    ['??', 'ab', true],
    ['app-[0-9].log', 'app-7.log', true],
    ['app-[0-9].log', 'app-x.log', false],
    ['[!0-9]', 'x', true],
    ['[!0-9]', '7', false],
    ['[!0-9]', '', false],
    ['[abc]*', 'beta', true],
    ['[a-]', '-', true],
    ['[-a]', '-', true],
    ['[]]', ']', true],
    ['[!]]', ']', false],
    ['[!]]', 'a', true],
    ['[]a]', 'a', true],
    ['[', '[', true],
    ['[a', '[a', true],
    ['[a', 'a', false],
    ['[!', '[!', true],
    ['[]', '[]', true],
    ['[z-a]', 'm', false],
    ['[^a]', '^', true],
    ['[^a]', 'b', false],
    ['[*]', '*', true],
    ['[*]', 'a', false],
    ['a.b', 'axb', false],
    ['a+(b)', 'a+(b)', true],
    ['\\*', '\\x', true],
    ['a\nb*', 'a\nb\nc', true],
    ['{a,b}', 'a', false],
  ])('%j on %j: %s', (glob, text, expected) => {
    expect(parseGlob(glob)(text)).toBe(expected);
  });
});

describe('the number of comparisons for a key of 1,024 characters is bounded with', () => {
  const key = 'a'.repeat(1_024);
  it.each([
    ['stars without end', '*'.repeat(1_024), 1_024 + 1_024],
    ['a star before every letter', `${'*a'.repeat(511)}*b`, 2 * 1_024 + 1_024],
    ['a star before every letter, and the whole in vain', `${'*a'.repeat(400)}b`, 2 * 1_024 + 1_024],
    ['the longest text between two stars', `*${'a'.repeat(511)}b*`, 1_024 * 514],
    ['a set for every letter', '[!b]*'.repeat(204), 3 * 1_024],
  ])('%s', (_, glob, most) => {
    expect(countingGlob(glob)(key).comparisons).toBeLessThanOrEqual(most);
  });
});

import { describe, expect, it } from 'vitest';
import { parseGlob } from '../../lambda/rollup/glob.ts';

// As Python's fnmatch.fnmatchcase has it, with which aws s3 compares.
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

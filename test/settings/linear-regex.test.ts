import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileRegex, compileWidened, problemOf } from '../../lambda/settings/linear-regex.ts';

/** Typical expressions of settings, and every construct that RE2 has. */
const SUPPORTED = [
  '^([^/]+)/',
  '^([^/]+)/([a-z]+)-',
  '^([^/]+)/(\\w+)-',
  '^a/(\\w+)|^b/(\\w+)|^c(/d)?',
  '(?<service>[^/]+)/(?<level>error|info)',
  '(?<a>x)|(?<b>y)',
  '([^/]+)-([^/]+)-([^/]+)\\.json$',
  '(.*)/1',
  '(.*?)/(.*?)-',
  '^(?:[^/]*/)*([^/]*)$',
  '^(?:([^/]+)/)+',
  '(a|ab)(c|bcd)(d*)',
  '(a{2,3})(a{2,3}?)(a*?)$',
  '(a+|b+)*?c()',
  '((?:ab|a){2})',
  '(?:(-)(a)?){1}',
  '(\\d{4})(\\d{2})?',
  '([\\s\\S])\\s(\\S*)',
  '(\\D+)(\\W)',
  '([^])$',
  '([])|(a)',
  '([^a-c/])([\\w.-]+)',
  '(.)\\b(.)\\B',
  '(\\p{Lu})(\\P{L})',
  '(\\p{Script=Greek}+|[\\p{ASCII_Hex_Digit}]+)',
  '(?i:(error|straße|k))',
  '(?i:([^a]\\w\\W?))',
  '(?s:(.+))b',
  '(?i:a(?-i:(b)))',
  '(\\u{1f600}|\\ud83d\\ude01|\\x41|\\cJ|\\0|\\t)',
  '(^|/)([^/]*)$',
  '(\\$|\\.|\\[|\\/)(-?)',
];

const TEXT = fc.oneof(
  fc.string({ unit: fc.constantFrom(...Array.from('aaab-/c1A.')), maxLength: 24 }),
  fc.string({
    unit: fc.constantFrom(...Array.from('abkKſ\u212aßẞσςΣ😀😁 \t\n\r\v\u2028\u00a0\ufeff/-.$[]0é')),
    maxLength: 16,
  }),
  fc.string({ unit: 'binary', maxLength: 16 }),
  fc.constantFrom(
    'checkout/error-1.log',
    'a/x.log',
    '20261121',
    'c.log',
    'c/d',
    'x/info/y-z-1.json',
    'STRASSE/ERROR',
  ),
);

describe('an expression in linear time', () => {
  it.each(SUPPORTED)('%s captures what it captures in JavaScript', (source) => {
    expect(problemOf(source)).toBeUndefined();
    const native = new RegExp(source, 'u');
    const linear = compileRegex(source);
    const widened = compileWidened(source);
    fc.assert(
      fc.property(TEXT, (text) => {
        const found = native.exec(text)?.slice(1);
        expect(linear(text)).toEqual(found);
        if (found !== undefined) expect(widened(text)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it('that is made up captures what it captures in JavaScript', () => {
    const { expression } = fc.letrec<Record<'expression' | 'term' | 'atom', string>>((tie) => ({
      expression: fc
        .array(fc.array(tie('term'), { maxLength: 3 }), { minLength: 1, maxLength: 2 })
        .map((alternatives) => alternatives.map((terms) => terms.join('')).join('|')),
      term: fc
        .tuple(tie('atom'), fc.constantFrom('', '', '', '*', '+', '?', '*?', '+?', '??', '{2}', '{1,2}'))
        .map(([atom, count]) => atom + (/^\\b$|^\^$|^\$$/i.test(atom) ? '' : count)),
      atom: fc.oneof(
        { depthSize: 'small' },
        fc.constantFrom('a', 'b', '-', '.', '[^/]', '[ab]', '\\w', '\\b', '\\B', '^', '$'),
        tie('expression').map((inner) => `(${inner})`),
        tie('expression').map((inner) => `(?:${inner})`),
      ),
    }));
    fc.assert(
      fc.property(
        expression,
        fc.array(fc.string({ unit: fc.constantFrom(...Array.from('ab-/')), maxLength: 6 }), {
          minLength: 8,
          maxLength: 8,
        }),
        (inner, texts) => {
          const source = `(${inner})`;
          const native = new RegExp(source, 'u');
          const widened = compileWidened(source);
          const linear = problemOf(source) === undefined ? compileRegex(source) : undefined;
          for (const text of texts) {
            const found = native.exec(text)?.slice(1);
            if (found !== undefined) expect(widened(text)).toBe(true);
            if (linear !== undefined) expect(linear(text)).toEqual(found);
          }
        },
      ),
      { numRuns: 1_500 },
    );
  });

  it.each([500, 1_024])('takes no hours for a key of %d dashes', (length) => {
    const match = compileRegex('([^/]+)-([^/]+)-([^/]+)\\.json$');
    expect(match('-'.repeat(length))).toBeUndefined();
    expect(match(`${'-'.repeat(length)}.json`)).toHaveLength(3);
    expect(compileRegex('^((?:a|a)*(?:[a-z]+)+)+!$')('a'.repeat(length))).toBeUndefined();
  });
});

describe('an expression is refused, by what is in it:', () => {
  it.each([
    ['(a)(?=b)', 'a look-ahead, "(?=b)" at character 4'],
    ['^(?!tmp)([^/]+)/', 'a look-ahead, "(?!tmp)" at character 2'],
    ['(?<=a)(b)', 'a look-behind, "(?<=a)" at character 1'],
    ['(?<!a)(b)', 'a look-behind, "(?<!a)" at character 1'],
    ['(a)/\\1', 'a back reference, "\\1" at character 5'],
    ['(?<x>a)/\\k<x>', 'a back reference, "\\k<x>" at character 9'],
    ['(a*)*', 'a repetition of what may be empty, "(a*)*" at character 1'],
    ['(a*)?b', 'a repetition of what may be empty, "(a*)?" at character 1'],
    ['(?:(a)|b)+', 'a repetition that may pass over a capture group, "(?:(a)|b)+" at character 1'],
    ['(?:(a)?b){2}', 'a repetition that may pass over a capture group, "(?:(a)?b){2}" at character 1'],
    ['(a{1001})', 'a repetition above 1000, "a{1001}" at character 2'],
    ['(?m:^(a))', 'the flag m, "m" at character 3'],
    ['(?i:(a)\\b)', 'a word boundary under the flag i, "\\b" at character 8'],
  ])('%s has %s', (source, construct) => {
    expect(problemOf(source)).toMatch(/^must not have .*: no key may stall a run, and RE2, .*\. [A-Z]/);
    expect(problemOf(source)).toContain(construct);
  });

  it.each([
    ['([', 'must be a regular expression of JavaScript'],
    ['a', "must have a capture group, such as '^([^/]+)/'"],
    ['((a{100}){100})', 'must be smaller'],
  ])('%s', (source, problem) => {
    expect(problemOf(source)).toContain(problem);
  });
});

describe('what is widened', () => {
  it.each([
    ['^(?!tmp)([^/]+)/', ['a/1', 'tmp/1'], ['a']],
    ['^([a-z]+)-\\1$', ['ab-ab', 'ab-c'], ['ab', '1-1']],
    ['^(x{2000})$', ['x'.repeat(2_000), 'x'], ['y']],
    ['(?m:^)b(c)', ['a\nbc', 'abc'], ['b']],
    ['((a{1000}){1000})', ['a', 'b'], []],
  ])('%s takes in %j, but not %j', (source, taken, left) => {
    const mayMatch = compileWidened(source);
    for (const text of taken) expect(mayMatch(text)).toBe(true);
    for (const text of left) expect(mayMatch(text)).toBe(false);
  });
});

/** Code points from one to another, both included. */
export type Ranges = [from: number, to: number][];

/** The last code point of Unicode. */
const LAST = 0x10ffff;
const SURROGATES = { from: 0xd800, to: 0xdfff };
/** Code points that are made into text at once. Both limits of the surrogates, and the end of Unicode, are multiples of it. */
const BLOCK = 0x800;

export const ANY: Ranges = [[0, LAST]];
export const DIGITS: Ranges = [[0x30, 0x39]];
export const WORD: Ranges = [...DIGITS, [0x41, 0x5a], [0x5f, 0x5f], [0x61, 0x7a]];
/** The characters that `.` does not match: https://tc39.es/ecma262/#prod-LineTerminator */
export const LINE_ENDS: Ranges = [
  [0x0a, 0x0a],
  [0x0d, 0x0d],
  [0x2028, 0x2029],
];
/** The characters that `\s` matches in JavaScript, which are more than in RE2: https://tc39.es/ecma262/#prod-WhiteSpace */
export const SPACES: Ranges = [
  [0x09, 0x0d],
  [0x20, 0x20],
  [0xa0, 0xa0],
  [0x1680, 0x1680],
  [0x2000, 0x200a],
  [0x2028, 0x2029],
  [0x202f, 0x202f],
  [0x205f, 0x205f],
  [0x3000, 0x3000],
  [0xfeff, 0xfeff],
];

/** All code points that are in none of the ranges. */
export function complementOf(ranges: Ranges): Ranges {
  const outside: Ranges = [];
  let next = 0;
  for (const [from, to] of ranges.toSorted((a, b) => a[0] - b[0])) {
    if (from > next) outside.push([next, from - 1]);
    next = Math.max(next, to + 1);
  }
  if (next <= LAST) outside.push([next, LAST]);
  return outside;
}

/** Ranges as a character class of RE2: `[\x{61}-\x{7a}]`. */
export function formatSet(ranges: Ranges, negate = false): string {
  // RE2 has no empty class.
  if (ranges.length === 0) return formatSet(ANY, !negate);
  const members = ranges.map(([from, to]) =>
    from === to ? escapeCode(from) : `${escapeCode(from)}-${escapeCode(to)}`,
  );
  return `[${negate ? '^' : ''}${members.join('')}]`;
}

function escapeCode(code: number): string {
  return `\\x{${code.toString(16)}}`;
}

/**
 * The code points of a property such as `\p{L}`, as this JavaScript has it: it knows properties and versions of Unicode that
 * RE2 does not.
 */
export function propertyRanges(escape: string): Ranges {
  const all = everyCharacter();
  return Array.from(all.matchAll(new RegExp(`${escape}+`, 'gu')), ([run]) => run).map(
    (run): [number, number] => [run.codePointAt(0) ?? 0, lastCodeOf(run)],
  );
}

function lastCodeOf(run: string): number {
  const last = run.codePointAt(run.length - 1) ?? 0;
  const isHalf = last >= SURROGATES.from && last <= SURROGATES.to;
  return (isHalf ? run.codePointAt(run.length - 2) : undefined) ?? last;
}

/** Text of every code point in order, without surrogates: no key has one by itself. */
function everyCharacter(): string {
  const blocks = Array.from({ length: (LAST + 1) / BLOCK }, (_, block) => block * BLOCK);
  return blocks
    .filter((first) => first < SURROGATES.from || first > SURROGATES.to)
    .map((first) => String.fromCodePoint(...Array.from({ length: BLOCK }, (_, i) => first + i)))
    .join('');
}

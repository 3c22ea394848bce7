import { compareKeys } from '../model/key-order.ts';

/** Trailing characters of the prefix that all keys of a page share, which a step over many pages may count up. */
const ROOM = 2;
/** Digits of a key that are read as a number. */
const MOST_DIGITS = 8;
/** Integers up to this are exact in a double. */
const MOST_VALUES = 2 ** 52;

/**
 * Guesses a key that comes about `pages` pages after a page, if keys go on as densely as in it. No object need have this
 * key, and it may be far off: it only says where another listing could begin. Keys are read as numbers whose digits are
 * the characters that occur in the page.
 *
 * @param keys the page, in key order
 * @param fixed characters at the front of every key that are left as they are
 * @returns a key after the page; undefined if the page does not allow a guess
 */
export function keyAhead(keys: string[], pages: number, fixed: number): string | undefined {
  const [first, last] = [keys[0], keys.at(-1)];
  if (first === undefined || last === undefined || first === last) return undefined;
  const from = Math.max(fixed, sharedLength(first, last) - ROOM);
  const tails = keys.map((key) => Array.from(key.slice(from, from + 2 * MOST_DIGITS)).slice(0, MOST_DIGITS));
  const alphabet = [...new Set(tails.flat())].sort(compareKeys);
  // The end of a key counts as a digit of its own, below all others.
  const base = alphabet.length + 1;
  const digits = Math.min(MOST_DIGITS, Math.floor(Math.log(MOST_VALUES) / Math.log(base)));
  const rank = new Map(alphabet.map((character, i) => [character, i + 1]));
  const valueOf = (tail: string[] | undefined): number => {
    let value = 0;
    for (let i = 0; i < digits; i++) value = value * base + (rank.get(tail?.[i] ?? '') ?? 0);
    return value;
  };
  const end = valueOf(tails.at(-1));
  let target = end + pages * (end - valueOf(tails[0]));
  if (target >= base ** digits) return undefined;
  const characters: string[] = [];
  for (let i = 0; i < digits; i++) {
    characters.unshift(alphabet[(target % base) - 1] ?? '');
    target = Math.floor(target / base);
  }
  const ahead = last.slice(0, from) + characters.join('');
  return ahead.isWellFormed() && compareKeys(ahead, last) > 0 ? ahead : undefined;
}

/** The length of the common beginning of two keys, in UTF-16 code units; never half a surrogate pair. */
function sharedLength(a: string, b: string): number {
  let shared = 0;
  for (const character of a) {
    if (!b.startsWith(character, shared)) break;
    shared += character.length;
  }
  return shared;
}

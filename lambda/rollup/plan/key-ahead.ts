import { compareKeys } from '../model/key-order.ts';

/** Characters that the keys of a page share and that a step over many pages may count up. */
const ROOM = 2;
const MOST_DIGITS = 8;
/** A double counts this far without gaps. */
const MOST_VALUES = 2 ** 52;

/**
 * A key about `pages` pages behind a page, were keys to go on as densely as in it; undefined where that cannot be told.
 * It need not exist, and may be far off: it only says where another listing could begin. Keys are read as numbers whose
 * digits are the characters that occur in the page; `fixed` characters at the front of every key are left as they are.
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

/** In code units, and never half a surrogate pair. */
function sharedLength(a: string, b: string): number {
  let shared = 0;
  for (const character of a) {
    if (!b.startsWith(character, shared)) break;
    shared += character.length;
  }
  return shared;
}

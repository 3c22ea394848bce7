import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Lookup, type Pair, pairsOf, sideBySide } from '../../../lambda/rollup/model/side-by-side.ts';
import { inKeyOrder } from '../../support/planning.ts';

interface Item {
  key: string;
  n: number;
}

const anyKeys = fc.array(fc.string({ unit: fc.constantFrom('a', 'b', '\uffff', '😀'), maxLength: 3 }), {
  maxLength: 30,
});
const anyList = anyKeys.map((keys) => keys.map((key, n) => ({ key, n })).toSorted(inKeyOrder));
const unique = (list: Item[]): Item[] => list.filter(({ key }, i) => list[i - 1]?.key !== key);

/** A list in batches of these sizes, empty batches among them. */
async function* parts(list: Item[], sizes: number[]): AsyncGenerator<Item[]> {
  for (let at = 0, i = 0; at < list.length; i++) {
    const size = sizes[i % sizes.length] ?? 1;
    yield await Promise.resolve(list.slice(at, at + size));
    at += size;
  }
}
const anySizes = fc.tuple(fc.integer({ min: 1, max: 5 }), fc.nat(9)).map((sizes) => sizes);

/** The pairs by their definition: each item of either list with the item of the same key in the other. */
function expected(as: Item[], bs: Item[]): Pair<Item, Item>[] {
  const keys = unique([...as, ...bs].toSorted(inKeyOrder)).map(({ key }) => key);
  return keys.flatMap((key) => {
    const [a] = as.filter((item) => item.key === key);
    const b = bs.filter((item) => item.key === key);
    return b.length === 0 ? [[a, undefined] as Pair<Item, Item>] : b.map((one): Pair<Item, Item> => [a, one]);
  });
}

describe('two lists in key order', () => {
  it('are paired by key, whatever their batches; keys of one may repeat', async () => {
    await fc.assert(
      fc.asyncProperty(anyList, anyList, anySizes, anySizes, async (some, bs, sizes, others) => {
        const as = unique(some);
        const pairs = await Array.fromAsync(sideBySide(parts(as, sizes), parts(bs, others)));
        expect(pairs.flat()).toEqual(expected(as, bs));
        expect(pairsOf(as, bs)).toEqual(expected(as, bs));
      }),
    );
  });

  it('are both closed when the reader of the pairs ends early', async () => {
    const ended: string[] = [];
    async function* endless(name: string): AsyncGenerator<Item[]> {
      try {
        for (let n = 0; ; n++) yield await Promise.resolve([{ key: String(n).padStart(5, '0'), n }]);
      } finally {
        ended.push(name);
      }
    }
    const pairs = sideBySide(endless('a'), endless('b'));
    await pairs.next();
    await pairs.return(undefined);
    expect(ended).toEqual(['a', 'b']);
  });

  it('can be looked up, one by the keys of the other', async () => {
    await fc.assert(
      fc.asyncProperty(anyList, anyList, anySizes, async (wanted, some, sizes) => {
        const list = unique(some);
        const lookup = new Lookup(parts(list, sizes));
        const found = [...(await lookup.find(wanted.slice(0, 10))), ...(await lookup.find(wanted.slice(10)))];
        expect(found).toEqual(wanted.map(({ key }) => list.find((item) => item.key === key)));
      }),
    );
  });
});

import { expect, it } from 'vitest';
import { CompressedList } from '../../../lambda/rollup/plan/compressed-list.ts';

const ODD_KEYS = ['a"b', 'a\n', '\u0001', 'ü', '\uffff', '😀', '\ud800'];
const ITEMS = Array.from({ length: 2_500 }, (_, i) => ({
  key: `${ODD_KEYS[i % ODD_KEYS.length]}${i}`,
  size: i * 1e9,
  ...(i % 3 === 0 ? { storageClass: 'GLACIER_IR' } : {}),
}));

it.each([0, 1, 999, 1_000, 1_001, 2_500])(
  'a list of %d items reads back as it was filled, twice',
  (length) => {
    const items = ITEMS.slice(0, length);
    const list = new CompressedList<object>();
    for (const item of items) list.push(item);
    expect([...list.read(false)].flat()).toEqual(items);
    expect([...list.read(true)].flat()).toEqual(items);
  },
);

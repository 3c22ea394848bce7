import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareKeys } from '../../../lambda/rollup/model/key-order.ts';

describe('compareKeys', () => {
  const sign = (a: string, b: string): number => Math.sign(compareKeys(a, b));

  it('orders any two keys as their UTF-8 bytes', () => {
    // Few characters, from every length of UTF-8, so that keys share beginnings.
    const unit = fc.constantFrom(
      'a',
      'b',
      '/',
      '\u007f',
      '\u0080',
      '\u07ff',
      '\u0800',
      '\ud7ff',
      '\ue000',
      '\uffff',
      '😀',
      '\u{10ffff}',
    );
    const key = fc.oneof(fc.string({ unit, maxLength: 6 }), fc.string({ unit: 'binary', maxLength: 6 }));
    fc.assert(
      fc.property(key, key, (a, b) => {
        expect(sign(a, b)).toBe(Math.sign(Buffer.compare(Buffer.from(a), Buffer.from(b))));
      }),
      { numRuns: 2000 },
    );
  });

  it.each([
    ['beyond the BMP after U+FFFF, against UTF-16', '\uffff', '😀'],
    ['upper case before lower case', 'B', 'a'],
    ['a beginning before what it begins', 'a', 'a/'],
    ['the first of two characters beyond the BMP that share their high surrogate', '\u{1f600}', '\u{1f601}'],
    ['digits by their characters', '10', '9'],
  ])('%s', (_, first, second) => {
    expect([sign(first, second), sign(second, first), sign(first, first)]).toEqual([-1, 1, 0]);
  });
});

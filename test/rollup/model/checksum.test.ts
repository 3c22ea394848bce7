import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  RunningChecksum,
  checksumOf,
  crcBy,
  fieldOf,
  formatChecksum,
  formatCrc32,
  isSame,
} from '../../../lambda/rollup/model/checksum/checksum.ts';
import { crc32Of, crc64Of } from '../../support/checksums.ts';

describe.each([
  ['crc32', 'cbf43926'],
  ['crc64nvme', 'ae8b14860a799888'],
] as const)('%s', (algorithm, digits) => {
  it('of "123456789" is the check value of its catalogue', async () => {
    const crc = await crcBy(algorithm);
    expect(crc.of(Buffer.from('123456789'))).toEqual({ algorithm, digits });
    expect(crc.of(Buffer.alloc(0))).toEqual(crc.none);
  });

  it('of two strings joined, and of one in chunks, is combined from those of the pieces', async () => {
    const crc = await crcBy(algorithm);
    const bytes = fc.uint8Array({ maxLength: 300 });
    fc.assert(
      fc.property(bytes, bytes, (a, b) => {
        const joined = crc.of(Buffer.concat([a, b]));
        expect(crc.combine(crc.of(a), crc.of(b), b.length)).toEqual(joined);
        const sum = new RunningChecksum(crc);
        sum.add(Buffer.from(a));
        sum.add(Buffer.from(b), crc.of(b));
        expect(sum.value).toEqual(joined);
      }),
    );
  });

  it.each([0, 1, 5 * 2 ** 20, 2 ** 25 + 1])('combines with a second string of %d bytes', async (length) => {
    const crc = await crcBy(algorithm);
    const [first, second] = [Buffer.from('first'), Buffer.alloc(length, 'log line\n')];
    const joined = crc.of(Buffer.concat([first, second]));
    expect(crc.combine(crc.of(first), crc.of(second), length)).toEqual(joined);
  });

  it('combines with lengths past 32 bits', async () => {
    const crc = await crcBy(algorithm);
    // 2^32 + 1 zero bytes, by doubling one.
    const half = 2 ** 32 + 1;
    const zero = crc.of(Buffer.alloc(1));
    let zeros = zero;
    for (let length = 1; length < 2 ** 32; length *= 2) zeros = crc.combine(zeros, zeros, length);
    zeros = crc.combine(zeros, zero, 1);
    const twice = crc.combine(zeros, zeros, half);
    const first = crc.of(Buffer.from('a'));
    expect(crc.combine(crc.combine(first, zeros, half), zeros, half)).toEqual(
      crc.combine(first, twice, 2 * half),
    );
  });
});

describe('a checksum', () => {
  it('is the same as another of the same algorithm and value alone', () => {
    expect(isSame(crc32Of('a'), crc32Of('a'))).toBe(true);
    expect(isSame(crc32Of('a'), crc32Of('b'))).toBe(false);
    expect(isSame(crc32Of(''), crc64Of(''))).toBe(false);
    expect(isSame(undefined, crc64Of(''))).toBe(false);
    expect(isSame(undefined, undefined)).toBe(false);
  });

  it.each([crc32Of('a'), crc64Of('a')])('%j reads back from a manifest as itself', (checksum) => {
    expect(checksumOf(fieldOf(checksum))).toEqual(checksum);
    expect(fieldOf(checksum)).toEqual({ [checksum.algorithm]: checksum.digits });
  });

  it('is told with its name', () => {
    expect([crc32Of('123456789'), crc64Of('123456789')].map(formatChecksum)).toEqual([
      'CRC-32 cbf43926',
      'CRC-64/NVME ae8b14860a799888',
    ]);
  });
});

it.each([
  [0, '00000000'],
  [0xffffffff, 'ffffffff'],
  [-1, 'ffffffff'],
  [0xabc, '00000abc'],
])('CRC-32 %d is written %s', (crc, text) => {
  expect(formatCrc32(crc)).toBe(text);
});

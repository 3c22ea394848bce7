import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ALGORITHMS, combineParts, createDigest, type ChecksumAlgorithm } from '../../sandbox/checksums.ts';
import { slice } from '../../sandbox/storage/content.ts';
import { compareUtf8, SortedKeys } from '../../sandbox/storage/sorted-keys.ts';
import { leaf } from '../../sandbox/http/xml.ts';

function digest(algorithm: ChecksumAlgorithm, ...chunks: Uint8Array[]): Buffer {
  const state = createDigest(algorithm);
  for (const chunk of chunks) state.update(chunk);
  return state.digest();
}

describe('checksums', () => {
  const check = Buffer.from('123456789');
  // https://reveng.sourceforge.io/crc-catalogue/all.htm
  it.each([
    ['CRC32', 'cbf43926'],
    ['CRC32C', 'e3069283'],
    ['CRC64NVME', 'ae8b14860a799888'],
    ['SHA1', createHash('sha1').update(check).digest('hex')],
    ['SHA256', createHash('sha256').update(check).digest('hex')],
  ] as const)('%s has its check value', (algorithm, hex) => {
    expect(digest(algorithm, check).toString('hex')).toBe(hex);
  });

  it.each(ALGORITHMS)('%s is the same in one piece or several', (algorithm) => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(300), (bytes, cut) => {
        const pieces = digest(algorithm, bytes.subarray(0, cut), bytes.subarray(cut));
        expect(pieces).toEqual(digest(algorithm, bytes));
      }),
    );
  });

  it.each(['CRC32', 'CRC32C', 'CRC64NVME'] as const)(
    '%s of the whole follows from that of the parts',
    (algorithm) => {
      fc.assert(
        fc.property(fc.array(fc.uint8Array({ maxLength: 100 }), { minLength: 1, maxLength: 5 }), (parts) => {
          const values = parts.map((part) => ({
            size: part.length,
            value: digest(algorithm, part).toString('base64'),
          }));
          const { value } = combineParts(algorithm, 'FULL_OBJECT', values);
          expect(value).toBe(digest(algorithm, ...parts).toString('base64'));
        }),
      );
    },
  );
});

const keys = fc.string({
  unit: fc.oneof(
    fc.constantFrom('a', 'B', '/', '\ue000', '\uffff', '\u{1f600}'),
    fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
  ),
  maxLength: 6,
});

describe('keys', () => {
  it('are compared by their UTF-8 bytes', () => {
    fc.assert(
      fc.property(keys, keys, (a, b) => {
        expect(Math.sign(compareUtf8(a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)));
      }),
    );
  });

  it('stay sorted through additions and removals', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(keys, fc.boolean(), fc.boolean())), keys, (steps, bound) => {
        const sorted = new SortedKeys();
        const expected = new Set<string>();
        for (const [key, adds, looks] of steps) {
          if (adds && !expected.has(key)) {
            sorted.add(key);
            expected.add(key);
          } else if (!adds && expected.delete(key)) sorted.remove(key);
          if (looks) sorted.all();
        }
        const inOrder = [...expected].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
        expect(sorted.all()).toEqual(inOrder);
        const before = inOrder.filter((key) => Buffer.compare(Buffer.from(key), Buffer.from(bound)) < 0);
        expect(sorted.seek(bound)).toBe(before.length);
      }),
    );
  });
});

it('a slice of content has that slice of its bytes', () => {
  const nat = fc.nat(50);
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 20 })), nat, nat, (blocks, start, length) => {
      const content = blocks.map((block) => ({ bytes: Buffer.from(block) }));
      const part = slice(content, start, start + length).map((segment) =>
        'bytes' in segment ? segment.bytes : Buffer.alloc(0),
      );
      expect(Buffer.concat(part)).toEqual(Buffer.concat(blocks).subarray(start, start + length));
    }),
  );
});

it('text in XML is escaped, control characters too', () => {
  expect(leaf('Key', 'a<b>&"c"\n\u0001é😀')).toBe('<Key>a&lt;b&gt;&amp;&quot;c&quot;&#xa;&#x1;é😀</Key>');
});

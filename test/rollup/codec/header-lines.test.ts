import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HeaderLines } from '../../../lambda/rollup/codec/header-lines.ts';
import { withoutHeaders } from '../../support/header-oracle.ts';

/** The chunks of a text, all in the same memory, as those of a download are. */
async function* inChunks(text: Buffer, sizes: number[]): AsyncGenerator<Buffer> {
  const memory = Buffer.alloc(text.length);
  for (let at = 0, n = 0; at < text.length; n++) {
    const chunk = text.subarray(at, at + (sizes[n % sizes.length] ?? 1));
    chunk.copy(memory);
    yield await Promise.resolve(memory.subarray(0, chunk.length));
    at += chunk.length;
  }
}

async function leaveOut(texts: Buffer[], headerLines: number, sizes: number[]) {
  const headers = new HeaderLines(headerLines);
  const left: { text: Buffer; header: number }[] = [];
  for (const text of texts) {
    const chunks = await Array.fromAsync(headers.leaveOut(inChunks(text, sizes)), (chunk) =>
      Buffer.from(chunk),
    );
    left.push({ text: Buffer.concat(chunks), header: headers.leftOut ?? 0 });
  }
  return left;
}

const line = fc.constantFrom('', '#Version: 1.0', '#Fields: a b', '#Fields: a c', 'x', '\r', '#V\r', 'é');
const text = fc
  .record({ lines: fc.array(line, { maxLength: 6 }), isEnded: fc.boolean() })
  .map(({ lines, isEnded }) => Buffer.from(lines.join('\n') + (isEnded && lines.length > 0 ? '\n' : '')));
const texts = fc.array(text, { maxLength: 6 });
const sizes = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 4 });

describe('header lines', () => {
  it('are left out of every text but the first, wherever the chunks end', async () => {
    await fc.assert(
      fc.asyncProperty(texts, fc.integer({ min: 1, max: 3 }), sizes, async (given, headerLines, cuts) => {
        expect(await leaveOut(given, headerLines, cuts)).toEqual(withoutHeaders(given, headerLines));
      }),
      { numRuns: 2000 },
    );
  });

  it.each([
    ['up to 64 KiB', 65_536, 65_536],
    ['and stay where they have more', 65_537, 0],
  ])('may have any length %s', async (_, length, header) => {
    const body = Buffer.from(`${'#'.repeat(length - 1)}\nrow\n`);
    const [first, second] = await leaveOut([body, body], 1, [10_000]);
    expect(first).toEqual({ text: body, header: 0 });
    expect(second).toEqual({ text: body.subarray(header), header });
  });

  it('are those of the first text with a byte', async () => {
    const body = Buffer.from('#\nrow\n');
    expect(await leaveOut([Buffer.alloc(0), body, body], 1, [3])).toEqual([
      { text: Buffer.alloc(0), header: 0 },
      { text: body, header: 0 },
      { text: Buffer.from('row\n'), header: 2 },
    ]);
  });
});

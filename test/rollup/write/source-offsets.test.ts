import fc from 'fast-check';
import { crc32 } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { crcBy } from '../../../lambda/rollup/model/checksum/checksum.ts';
import type { PlannedOutput } from '../../../lambda/rollup/model/output.ts';
import { planRollup } from '../../../lambda/rollup/plan/planner.ts';
import {
  checksumsOf,
  closeLines,
  formatAdded,
  offsetsOf,
  largestSize,
  parseAdded,
  readOffsets,
} from '../../../lambda/rollup/write/source-offsets.ts';
import { SIDES, listed } from '../../support/planning.ts';

/** One output of these sources. */
function outputOf(bodies: Buffer[], newline: 'ensure' | 'none' = 'ensure', suffix = '.log'): PlannedOutput {
  const sources = bodies.map((body, i) =>
    listed(`raw/app/${String(i).padStart(4, '0')}${suffix}`, body.length),
  );
  const settings = { targetSize: 1_000_000, newline };
  const { planned } = planRollup({
    listed: sources,
    committed: undefined,
    ...SIDES,
    settings,
  });
  const [output] = planned;
  if (output === undefined || planned.length > 1) throw new Error('Not one output.');
  return output;
}

/** Each body, and a newline behind one that lacks it. */
function joined(bodies: Buffer[]): Buffer {
  return Buffer.from(
    bodies.map((body) => body.toString('latin1').replace(/[^\n]$/, '$&\n')).join(''),
    'latin1',
  );
}

/** A buffer with the bodies as downloads leave them, and other bytes behind them. */
function bufferOf(output: PlannedOutput, bodies: Buffer[]): Buffer {
  const buffer = Buffer.alloc(largestSize(output) + 3, '\n');
  Buffer.concat(bodies).copy(buffer);
  return buffer;
}

async function* inChunks(bytes: Buffer, sizes: number[]): AsyncGenerator<Buffer> {
  await Promise.resolve();
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length] ?? 1;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

// Of few different bytes, so that newlines are frequent, and short, so that bodies of one byte are.
const anyBody = fc
  .array(fc.constantFrom(0x0a, 0x61, 0x0d), { minLength: 1, maxLength: 6 })
  .map((bytes) => Buffer.from(bytes));
const anyBodies = fc.array(anyBody, { minLength: 1, maxLength: 12 });
const anyChunks = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 });

describe('the offsets of sources', () => {
  it('and the added newlines are as if the sources had been joined one by one', () => {
    fc.assert(
      fc.property(anyBodies, (bodies) => {
        const output = outputOf(bodies);
        const buffer = bufferOf(output, bodies);
        const expected = joined(bodies);
        const closed = closeLines(buffer, output);
        expect(buffer.subarray(0, closed.length).toString()).toBe(expected.toString());
        for (const [i, { offset, length }] of offsetsOf(output, closed.added).entries()) {
          expect(expected.subarray(offset, offset + length)).toEqual(bodies[i]);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it.each([
    ['newline none', 'none', '.log'],
    ['gzip', 'ensure', '.gz'],
  ] as const)('are left as they are with %s', (_, newline, suffix) => {
    const bodies = [Buffer.from('a'), Buffer.from('b\n'), Buffer.from('c')];
    const output = outputOf(bodies, newline, suffix);
    const buffer = bufferOf(output, bodies);
    const closed = closeLines(buffer, output);
    expect(buffer.subarray(0, closed.length).toString()).toBe('ab\nc');
    expect(closed).toEqual({ length: 4, added: [false, false, false] });
    expect(offsetsOf(output, closed.added).map(({ offset }) => offset)).toEqual([0, 1, 3]);
    expect(largestSize(output)).toBe(4);
  });

  it('are found again in the bytes of the output, however they come', async () => {
    await fc.assert(
      fc.asyncProperty(anyBodies, anyChunks, async (bodies, chunks) => {
        const output = outputOf(bodies);
        const bytes = joined(bodies);
        const found = await readOffsets(output, inChunks(bytes, chunks));
        expect(found).toEqual({ crc32: crc32(bytes), added: bodies.map((body) => body.at(-1) !== 0x0a) });
      }),
      { numRuns: 1000 },
    );
  });

  it('are not found in bytes of another length', async () => {
    await fc.assert(
      fc.asyncProperty(anyBodies, anyChunks, fc.nat(), fc.boolean(), async (bodies, chunks, seed, longer) => {
        const output = outputOf(bodies);
        const bytes = joined(bodies);
        const other = longer
          ? Buffer.concat([bytes, Buffer.from('\n')])
          : bytes.subarray(0, seed % bytes.length);
        expect(await readOffsets(output, inChunks(other, chunks))).toBeUndefined();
      }),
    );
  });

  it('are not found where a source is not followed by the newline that it lacks', async () => {
    const output = outputOf([Buffer.from('aa'), Buffer.from('b\n')]);
    expect(await readOffsets(output, inChunks(Buffer.from('aab\nX'), [2]))).toBeUndefined();
    expect(await readOffsets(output, inChunks(Buffer.from('aaXb\n'), [2]))).toBeUndefined();
  });
});

describe.each([
  ['CRC-32', 'crc32'],
  ['CRC-64/NVME', 'crc64nvme'],
] as const)('the %s', (_, algorithm) => {
  const bodies = fc.array(fc.constantFrom('a', 'b\n', 'ccc', 'dd\n', 'a longer line', 'and\ntwo\n'), {
    minLength: 1,
  });

  it('of an output and of its parts is that of their bytes, wherever sources and added newlines fall', async () => {
    const crc = await crcBy(algorithm);
    fc.assert(
      fc.property(bodies, fc.integer({ min: 1, max: 20 }), (texts, partSize) => {
        const given = texts.map((text) => Buffer.from(text));
        const output = outputOf(given);
        const buffer = bufferOf(output, given);
        const { length, added } = closeLines(buffer, output);
        const whole = buffer.subarray(0, length);
        const checksums = given.map((body) => crc.of(body));
        const found = checksumsOf(crc, whole, offsetsOf(output, added), checksums, partSize);
        const partChecksums = Array.from({ length: Math.ceil(length / partSize) }, (_, i) =>
          crc.of(whole.subarray(i * partSize, (i + 1) * partSize)),
        );
        expect(found).toEqual({ checksum: crc.of(whole), partChecksums });
      }),
    );
  });

  it('of a source that lies in two parts is compared with the one that it should have', async () => {
    const crc = await crcBy(algorithm);
    const given = ['in one\n', 'in two\n', 'in one\n'].map((text) => Buffer.from(text));
    const output = outputOf(given);
    const body = Buffer.concat(given);
    const sources = offsetsOf(output, closeLines(bufferOf(output, given), output).added);
    const checksums = given.map((text) => crc.of(text));
    body[8] = 0;
    expect(() => checksumsOf(crc, body, sources, checksums, 10)).toThrow(sources[1]?.key);
    // Whose piece is not computed, the store verifies.
    expect(() => checksumsOf(crc, body, sources, checksums, 100)).not.toThrow();
  });
});

describe('added newlines as metadata', () => {
  it('is read as it was written, where only some were added', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { minLength: 2, maxLength: 200 }), (added) => {
        fc.pre(added.includes(true) && added.includes(false));
        expect(parseAdded(formatAdded(added), added.length)).toEqual(added);
        expect(parseAdded(formatAdded(added), added.length + 8)).toBeUndefined();
      }),
    );
  });

  it.each<[string, boolean[]]>([
    ['where none was', [false, false]],
    ['where all were', [true, true]],
    ['for no source', []],
    ['for more sources than S3 has room for', Array.from({ length: 10_000 }, (_, i) => i % 2 === 0)],
  ])('is left out %s', (_, added) => {
    expect(formatAdded(added)).toEqual({});
  });
});

import { describe, expect, it } from 'vitest';
import { randomBytes } from 'node:crypto';
import { gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import type { Encoding, Form } from '../../../lambda/rollup/model/encoding.ts';
import { decode } from '../../../lambda/rollup/codec/decode.ts';
import { encode } from '../../../lambda/rollup/codec/encode.ts';
import { failureOf, logLines, seeded } from '../../support/test-bucket.ts';
import { membersOf } from './members.ts';

async function* inChunks(bytes: Buffer, next: () => number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length;) {
    const size = next();
    yield await Promise.resolve(bytes.subarray(at, at + size));
    at += size;
  }
}

async function decoded(form: Form, bytes: Buffer, size = bytes.length): Promise<string> {
  const chunks = await Array.fromAsync(
    decode(
      form,
      inChunks(bytes, () => Math.max(1, size)),
      'raw/a.log',
    ),
    (chunk) => Buffer.from(chunk),
  );
  return Buffer.concat(chunks).toString();
}

const gz = gzipSync;
const zst = zstdCompressSync;
const NO_GZIP = gz('');
const NO_ZSTD = zst('');
/** A skippable frame: RFC 8878, section 3.1.2. */
const SKIPPABLE = Buffer.from([0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);

describe.each([1, 7, 1_000_000])('decoding, given %i bytes at a time,', (size) => {
  it.each<[string, Form, Buffer[], string]>([
    ['plain text', 'plain', [Buffer.from('a\nb\n')], 'a\nb\n'],
    ['one gzip member', 'gzip', [gz('a\n')], 'a\n'],
    ['many gzip members', 'gzip', [gz('a\n'), gz('b\n'), gz('c\n')], 'a\nb\nc\n'],
    ['gzip members of nothing', 'gzip', [NO_GZIP, gz('a\n'), NO_GZIP, gz('b\n'), NO_GZIP], 'a\nb\n'],
    ['gzip of nothing', 'gzip', [NO_GZIP], ''],
    ['one zstd frame', 'zstd', [zst('a\n')], 'a\n'],
    ['many zstd frames', 'zstd', [zst('a\n'), zst('b\n'), zst('c\n')], 'a\nb\nc\n'],
    ['zstd frames of nothing', 'zstd', [NO_ZSTD, zst('a\n'), NO_ZSTD, zst('b\n'), NO_ZSTD], 'a\nb\n'],
    ['zstd of nothing', 'zstd', [NO_ZSTD], ''],
    ['skippable zstd frames', 'zstd', [SKIPPABLE, zst('a\n'), SKIPPABLE, zst('b\n'), SKIPPABLE], 'a\nb\n'],
    ['nothing but a skippable frame', 'zstd', [SKIPPABLE], ''],
  ])('yields all of %s', async (_, form, parts, text) => {
    expect(await decoded(form, Buffer.concat(parts), size)).toBe(text);
  });

  const flipped = Buffer.from(gz('abcabc\n'));
  flipped[flipped.length - 6] = (flipped.at(-6) ?? 0) ^ 1;
  it.each<[string, Form, Buffer[]]>([
    ['a gzip member that is cut short', 'gzip', [gz('abc\n').subarray(0, -3)]],
    ['a second gzip member that is cut short', 'gzip', [gz('a\n'), gz('b\n').subarray(0, -1)]],
    ['the first byte of a second gzip member', 'gzip', [gz('a\n'), gz('b\n').subarray(0, 1)]],
    ['a gzip member with another checksum', 'gzip', [flipped]],
    ['text behind a gzip member', 'gzip', [gz('a\n'), Buffer.from('trailing')]],
    ['zeros between gzip members', 'gzip', [gz('a\n'), Buffer.alloc(5), gz('b\n')]],
    [
      'text behind the zeros that pad a gzip member',
      'gzip',
      [gz('a\n'), Buffer.alloc(300), Buffer.from('a')],
    ],
    ['zeros alone', 'gzip', [Buffer.alloc(20)]],
    ['a zstd frame that is cut short', 'zstd', [zst('abc\n').subarray(0, -2)]],
    ['a second zstd frame that is cut short', 'zstd', [zst('a\n'), zst('b\n').subarray(0, -1)]],
    ['the first byte of a second zstd frame', 'zstd', [zst('a\n'), zst('b\n').subarray(0, 1)]],
    ['a skippable frame that is cut short', 'zstd', [zst('a\n'), SKIPPABLE.subarray(0, -1)]],
    ['text behind a zstd frame', 'zstd', [zst('a\n'), Buffer.from('trailing')]],
    ['zeros behind a zstd frame', 'zstd', [zst('a\n'), Buffer.alloc(20)]],
  ])('refuses %s', async (_, form, parts) => {
    const failure = await failureOf(decoded(form, Buffer.concat(parts), size));
    expect(failure).toMatchObject({ code: 'SourceCorrupt', key: 'raw/a.log' });
    expect(failure.message).toMatch(/^raw\/a\.log (is no whole (gzip|zstd): |goes on behind the zeros)/);
  });
});

it.each([1, 9, 512])('%d zeros behind the last gzip member are skipped, as gzip does', async (zeros) => {
  const padded = Buffer.concat([gz('a\n'), gz('b\n'), Buffer.alloc(zeros)]);
  for (const size of [1, 7, 1_000_000]) expect(await decoded('gzip', padded, size)).toBe('a\nb\n');
});

describe('decoding', () => {
  it('yields no more than is asked for: a megabyte of gzip may hold a gigabyte', async () => {
    const bomb = gz(Buffer.alloc(64 * 1024 * 1024));
    let got = 0;
    for await (const chunk of decode(
      'gzip',
      inChunks(bomb, () => bomb.length),
      'a.gz',
    )) {
      expect(chunk.length).toBeLessThanOrEqual(256 * 1024);
      got += chunk.length;
      if (got > 1024 * 1024) break;
    }
    expect(got).toBeLessThan(2 * 1024 * 1024);
  });
});

const TEXT = logLines(1_500_000);
const NOISE = randomBytes(1_500_000);
const SLICES = Array.from({ length: 15 }, (_, i) => TEXT.subarray(i * 100_000, (i + 1) * 100_000));

describe.each<Encoding>([
  { codec: 'gzip', level: 6 },
  { codec: 'gzip', level: 1 },
  { codec: 'zstd', level: 3 },
  { codec: 'zstd', level: 9 },
])('encoding with $codec, level $level,', (encoding) => {
  const encoded = async (next: () => number): Promise<Buffer> =>
    Buffer.concat(
      await Array.fromAsync(encode(encoding, inChunks(TEXT, next)), (chunk) => Buffer.from(chunk)),
    );

  it('yields the same bytes however the text is chunked: one member, one frame', async () => {
    const random = seeded(7);
    const whole = await encoded(() => TEXT.length);
    for (const next of [() => 1_000, () => 1 + random(400_000), () => 262_144]) {
      expect((await encoded(next)).equals(whole)).toBe(true);
    }
    const inflate = encoding.codec === 'gzip' ? gunzipSync : zstdDecompressSync;
    expect(inflate(whole).equals(TEXT)).toBe(true);
    expect(membersOf(whole)).toBe(1);
  });
});

describe('a chunk that comes out', () => {
  it.each<[string, () => AsyncIterable<Buffer>]>([
    [
      'of a decoder of gzip',
      () =>
        decode(
          'gzip',
          inChunks(gz(TEXT), () => 70_000),
          'raw/a.log',
        ),
    ],
    [
      'of a decoder of zstd',
      () =>
        decode(
          'zstd',
          inChunks(zst(TEXT), () => 70_000),
          'raw/a.log',
        ),
    ],
    [
      'of many gzip members',
      () =>
        decode(
          'gzip',
          inChunks(Buffer.concat(SLICES.map((one) => gz(one))), () => 70_000),
          'raw/a.log',
        ),
    ],
    [
      'of many zstd frames',
      () =>
        decode(
          'zstd',
          inChunks(Buffer.concat(SLICES.map((one) => zst(one))), () => 70_000),
          'raw/a.log',
        ),
    ],
    [
      'of an encoder of gzip',
      () =>
        encode(
          { codec: 'gzip', level: 0 },
          inChunks(TEXT, () => 70_000),
        ),
    ],
    [
      'of an encoder of zstd',
      () =>
        encode(
          { codec: 'zstd', level: 1 },
          inChunks(NOISE, () => 70_000),
        ),
    ],
  ])(
    '%s is valid until the next is asked for, and then its memory is freed, if it is full',
    async (name, open) => {
      const memories = new Set<ArrayBufferLike>();
      // Every frame of zstd has a decoder of its own, whose last memory is left to the garbage collector.
      const most = name === 'of many zstd frames' ? SLICES.length : 1;
      let size = 0;
      for await (const { buffer, length } of open()) {
        memories.add(buffer);
        const held = [...memories].filter(({ byteLength }) => byteLength > 0);
        expect(held.length).toBeLessThanOrEqual(most);
        size += length;
      }
      expect(size).toBeGreaterThan(1_000_000);
      expect(memories.size).toBeGreaterThan(10);
    },
  );
});

describe('encoding with none', () => {
  it('yields the text as it is', async () => {
    const chunks = encode(
      { codec: 'none', level: 0 },
      inChunks(TEXT, () => 70_000),
    );
    expect(Buffer.concat(await Array.fromAsync(chunks)).equals(TEXT)).toBe(true);
  });
});

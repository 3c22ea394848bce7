import { gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { RAW, type TestBucket, joinedInKeyOrder, seeded } from '../../support/test-bucket.ts';

export interface Counts {
  plain: number;
  gzip: number;
  zstd: number;
  /** gzip of several members. */
  members: number;
}

/** Raw objects of every form that a codec decodes, mixed in key order, and the text of each. */
export class MixedHour {
  /** The text of each source, by whole key. */
  readonly texts = new Map<string, Buffer>();
  readonly #bucket: TestBucket;
  readonly #random = seeded(5);

  constructor(bucket: TestBucket) {
    this.#bucket = bucket;
  }

  putMany({ plain, gzip, zstd, members }: Counts): void {
    for (let i = 0; i < plain; i++) this.put('plain', `app/${name(i, 7)}.log`);
    for (let i = 0; i < gzip; i++) this.put('gzip', `app/${name(i, 11)}.log.gz`);
    for (let i = 0; i < zstd; i++) this.put('zstd', `app/${name(i, 13)}.log.zst`);
    for (let i = 0; i < members; i++) this.put('members', `app/${name(i, 17)}.log.gz`);
  }

  put(form: keyof Counts, key: string, text = this.#text()): void {
    this.#bucket.put(key, encodedAs(form, text));
    this.texts.set(RAW + key, text);
  }

  remove(key: string): void {
    this.#bucket.remove(key);
    this.texts.delete(RAW + key);
  }

  /** The text that the outputs must have. */
  joined(): Buffer {
    return joinedInKeyOrder(this.texts);
  }

  /** Lines that shrink to three quarters; a third of the texts lack their last newline, and some are of a line alone. */
  #text(): Buffer {
    const lines = Array.from({ length: 1 + this.#random(70) }, () => {
      const bytes = Buffer.from(Array.from({ length: 300 }, () => this.#random(256)));
      return `2026-11-21T08:00:00Z ${bytes.toString('base64')}\n`;
    });
    const text = Buffer.from(lines.join(''));
    return this.#random(3) === 0 ? text.subarray(0, -1) : text;
  }
}

export function encodedAs(form: keyof Counts, text: Buffer): Buffer {
  const middle = Math.floor(text.length / 2);
  switch (form) {
    case 'plain':
      return text;
    case 'gzip':
      return gzipSync(text);
    case 'zstd':
      return zstdCompressSync(text);
    case 'members':
      return Buffer.concat([
        gzipSync(text.subarray(0, middle)),
        gzipSync(''),
        gzipSync(text.subarray(middle)),
      ]);
  }
}

/** Numbers that are told apart by more than the end of the key, so that forms mix in key order. */
function name(i: number, step: number): string {
  return `${String((i * step) % 997).padStart(3, '0')}-${step}-${i}`;
}

/** The text of the committed outputs, in their order. */
export function textOf(bucket: TestBucket): Buffer {
  return Buffer.concat(
    bucket.outputs().map(({ key, body }) => {
      if (key.endsWith('.gz')) return gunzipSync(body);
      return key.endsWith('.zst') ? zstdDecompressSync(body) : body;
    }),
  );
}

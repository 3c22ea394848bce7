import { Readable } from 'node:stream';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { RollupError } from '../../../lambda/errors.ts';
import { readInto } from '../../../lambda/s3/client/read-into.ts';

// Its own chunks stay as they are.
vi.unmock(import('../../../lambda/chunk.ts'));

const KEY = 'raw/a.log';
const IDLE_MS = 10_000;
const unstopped = (): AbortSignal => new AbortController().signal;

/** A body into which a test pushes chunks. */
function openBody(): Readable {
  return new Readable({ read: () => undefined });
}

/** Waits until the pushed chunks were read. */
async function taken(): Promise<void> {
  await new Promise(setImmediate);
}

describe('readInto', () => {
  it('fills the buffer and returns the CRC-32, whatever the chunks are', async () => {
    const chunks = fc.array(fc.uint8Array({ minLength: 1, maxLength: 50 }), { maxLength: 10 });
    await fc.assert(
      fc.asyncProperty(chunks, async (given) => {
        const bytes = Buffer.concat(given);
        const slab = Buffer.alloc(bytes.length + 4, 0xee);
        const body = Readable.from(given.map((chunk) => Buffer.from(chunk)));
        expect(await readInto(body, slab.subarray(2, -2), KEY, unstopped(), IDLE_MS)).toBe(crc32(bytes));
        expect(slab).toEqual(Buffer.concat([Buffer.from([0xee, 0xee]), bytes, Buffer.from([0xee, 0xee])]));
      }),
    );
  });

  it('frees the memory of chunks, unless another buffer shares it', async () => {
    const own = Buffer.from(new Uint8Array([1, 2, 3]).buffer);
    const shared = Buffer.from('abcdef');
    const into = Buffer.alloc(6);
    await readInto(Readable.from([own, shared.subarray(1, 4)]), into, KEY, unstopped(), IDLE_MS);
    expect(into).toEqual(Buffer.from([1, 2, 3, 98, 99, 100]));
    expect([own.length, shared.toString()]).toEqual([0, 'abcdef']);
  });

  it.each<[string, (body: Readable) => void, number]>([
    [
      'ends early',
      (body) => {
        body.push('abc');
        body.push(null);
      },
      3,
    ],
    [
      'ends before it began',
      (body) => {
        body.push(null);
      },
      0,
    ],
    [
      'is closed early',
      (body) => {
        body.push('abc');
        setImmediate(() => body.destroy());
      },
      3,
    ],
    [
      'fails',
      (body) => {
        body.push('abc');
        setImmediate(() => body.destroy(new Error('ECONNRESET')));
      },
      3,
    ],
    [
      'is too long',
      (body) => {
        body.push('abcdef');
        body.push(null);
      },
      6,
    ],
  ])('is refused where it %s, and nothing beside its place is touched', async (_, feed, got) => {
    const slab = Buffer.alloc(8, 0xee);
    const body = openBody();
    const landing = readInto(body, slab.subarray(2, 6), KEY, unstopped(), IDLE_MS);
    feed(body);
    await expect(landing).rejects.toMatchObject({ code: 'ShortBody', key: KEY });
    await expect(landing).rejects.toThrow(`sent ${got} bytes where 4 were announced`);
    expect([slab.subarray(0, 2), slab.subarray(6)]).toEqual([
      Buffer.from([0xee, 0xee]),
      Buffer.from([0xee, 0xee]),
    ]);
    expect(body.destroyed).toBe(true);
  });

  it.each([
    ['before', true],
    ['on the way', false],
  ])('is given up, and destroyed, where the run is stopped %s', async (_, before) => {
    const stop = new AbortController();
    const reason = new RollupError('Aborted', 'Enough.');
    const body = openBody();
    if (before) stop.abort(reason);
    const landing = readInto(body, Buffer.alloc(4), KEY, stop.signal, IDLE_MS);
    body.push('ab');
    if (!before) stop.abort(reason);
    await expect(landing).rejects.toBe(reason);
    expect(body.destroyed).toBe(true);
  });
});

describe('a body that stalls', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('is ended after the idle time without a byte', async () => {
    const body = openBody();
    const landing = readInto(body, Buffer.alloc(4), KEY, unstopped(), IDLE_MS);
    const failing = expect(landing).rejects.toMatchObject({ code: 'BodyStalled', key: KEY });
    for (const byte of 'abc') {
      vi.advanceTimersByTime(IDLE_MS - 1);
      expect(body.destroyed).toBe(false);
      body.push(byte);
      await taken();
    }
    vi.advanceTimersByTime(IDLE_MS - 1);
    expect(body.destroyed).toBe(false);
    vi.advanceTimersByTime(1);
    await failing;
    expect(body.destroyed).toBe(true);
  });

  it('leaves no timer behind, however it ends', async () => {
    const good = Readable.from([Buffer.from('abcd')]);
    await readInto(good, Buffer.alloc(4), KEY, unstopped(), IDLE_MS);
    await readInto(Readable.from([Buffer.from('ab')]), Buffer.alloc(4), KEY, unstopped(), IDLE_MS).catch(
      () => undefined,
    );
    expect(vi.getTimerCount()).toBe(0);
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { keyAhead } from '../../../lambda/rollup/plan/key-ahead.ts';
import { compareKeys } from '../../../lambda/rollup/model/key-order.ts';
import { type List, listAtOnce } from '../../../lambda/rollup/plan/list.ts';
import type { ListedObject } from '../../../lambda/rollup/model/store.ts';
import { inKeyOrder, listed } from '../../support/planning.ts';

const PREFIX = 'raw/app/';

/** A listing in pages, each of which takes one turn of the event loop; requests are counted. */
class Pages {
  readonly #keys: string[];
  readonly #perPage: number;
  requests = 0;
  /** Turns that passed: a turn answers all requests that were made before it. */
  turns = 0;
  atOnce = 0;
  #asking = 0;
  #turn: Promise<void> | undefined;

  constructor(keys: string[], perPage: number) {
    this.#keys = keys;
    this.#perPage = perPage;
  }

  readonly list: List = async function* (this: Pages, after: string | undefined, signal: AbortSignal) {
    let at = after === undefined ? 0 : this.#keys.findIndex((key) => compareKeys(key, after) > 0);
    if (at === -1) at = this.#keys.length;
    do {
      this.requests++;
      this.atOnce = Math.max(this.atOnce, ++this.#asking);
      await this.#nextTurn();
      this.#asking--;
      signal.throwIfAborted();
      yield this.#keys.slice(at, at + this.#perPage).map((key) => listed(key, 1));
      at += this.#perPage;
    } while (at < this.#keys.length);
  }.bind(this);

  #nextTurn(): Promise<void> {
    this.#turn ??= new Promise((resolve) => {
      setImmediate(() => {
        this.turns++;
        this.#turn = undefined;
        resolve();
      });
    });
    return this.#turn;
  }
}

async function keysOf(pages: Pages, spreadFrom?: number): Promise<string[]> {
  const found: string[] = [];
  for await (const page of listAtOnce(pages.list, PREFIX, undefined, spreadFrom))
    found.push(...page.map(({ key }) => key));
  return found;
}

function sorted(names: Iterable<string>): string[] {
  return [...new Set(names)]
    .map((name) => listed(PREFIX + name, 1))
    .sort(inKeyOrder)
    .map(({ key }) => key);
}

const count = (n: number, name: (i: number) => string): string[] =>
  sorted(Array.from({ length: n }, (_, i) => name(i)));
const hash = (i: number): string => (Math.imul(i + 1, 2_654_435_761) >>> 0).toString(16).padStart(8, '0');

const odd = fc.string({
  unit: fc.oneof(
    fc.constantFrom('0', '1', '9', 'a', 'f', '.', '/', '-', ' ', '+', '%'),
    fc.constantFrom('\u0001', '\u007f', 'ä', '\uffff', '\u{1F600}', '\u{10FFFF}', 'e\u0301'),
    fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
  ),
  maxLength: 6,
});

describe('several listings of one prefix', () => {
  it('give what one gives, in its order, whatever the keys', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(odd, { maxLength: 300 }),
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 4 }),
        async (names, perPage, spreadFrom) => {
          const keys = sorted(names);
          expect(await keysOf(new Pages(keys, perPage), spreadFrom)).toEqual(keys);
        },
      ),
      { numRuns: 300 },
    );
  });

  it.each<[string, string[]]>([
    ['counted up', count(30_000, (i) => `${String(i).padStart(8, '0')}.log`)],
    ['counted up without zeros', count(30_000, (i) => `${String(i)}.log`)],
    ['of a hash', count(30_000, (i) => `${hash(i)}.json.gz`)],
    [
      'of a time',
      count(30_000, (i) => `2026-11-21T08-${new Date(i * 120).toISOString().slice(14, 23)}-${hash(i)}.log`),
    ],
    [
      'of hosts, each with its times',
      count(30_000, (i) => `host-${i % 37}/2026-11-21T08-${String(i).padStart(7, '0')}.log`),
    ],
    ['of UUIDs', count(30_000, (i) => `${hash(i)}-${hash(i * 7).slice(4)}-4abc-${hash(i * 3)}`)],
  ])('share the work for keys %s, with few requests more', async (_, keys) => {
    const pages = new Pages(keys, 100);
    expect(await keysOf(pages)).toEqual(keys);
    expect(pages.atOnce).toBeGreaterThan(4);
    expect(pages.atOnce).toBeLessThanOrEqual(8);
    // 300 pages, of which the first 32 come one after another.
    expect(pages.requests).toBeLessThan(1.2 * 300);
    expect(pages.turns).toBeLessThan(110);
  });

  it('hold at most 64 pages for a slow reader', async () => {
    const keys = count(30_000, (i) => String(i).padStart(8, '0'));
    const pages = new Pages(keys, 10);
    const reading = listAtOnce(pages.list, PREFIX);
    for (let read = 1; read <= 200; read++) {
      await reading.next();
      for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
      expect(pages.requests).toBeLessThan(read + 64 + 8 + 30);
    }
    await reading.return(undefined);
  });

  it('give objects with all their fields, whatever their keys', async () => {
    const objects = ['a"b', 'a\n', '\u0001', 'ü', '\uffff', '\u{1F600}', ...count(30, (i) => String(i))]
      .map((name, i) => ({
        ...listed(PREFIX + name, i * 1e9),
        ...(i % 3 === 0 ? { storageClass: 'GLACIER_IR' } : {}),
      }))
      .sort(inKeyOrder);
    async function* list(): AsyncGenerator<ListedObject[]> {
      for (let at = 0; at < objects.length; at += 3) yield await Promise.resolve(objects.slice(at, at + 3));
    }
    const found: ListedObject[] = [];
    for await (const page of listAtOnce(list, PREFIX)) {
      for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
      found.push(...page);
    }
    expect(found).toEqual(objects);
  });

  it('report each object once, also before a reader takes its page', async () => {
    for (const [perPage, spreadFrom] of [
      [100, 32],
      [20, 3],
    ]) {
      const pages = new Pages(
        count(1_000, (i) => hash(i)),
        perPage ?? 0,
      );
      const told: string[] = [];
      let ended = 0;
      const progress = {
        listed: (page: ListedObject[]) => void told.push(...page.map(({ key }) => key)),
        ended: () => {
          ended++;
        },
      };
      const reading = listAtOnce(pages.list, PREFIX, progress, spreadFrom);
      await reading.next();
      for (let i = 0; i < 200; i++) await new Promise((resolve) => setImmediate(resolve));
      expect(ended).toBe(1);
      expect(told.sort()).toEqual(count(1_000, (i) => hash(i)).sort());
      await reading.return(undefined);
    }
  });

  it('are one for a small prefix', async () => {
    const pages = new Pages(
      count(3_000, (i) => String(i)),
      100,
    );
    await keysOf(pages);
    expect([pages.requests, pages.atOnce]).toEqual([30, 1]);
  });

  it('all end when one fails', async () => {
    const pages = new Pages(
      count(30_000, (i) => hash(i)),
      100,
    );
    const open = new Set<string | undefined>();
    const failing: List = async function* (after, signal) {
      open.add(after);
      try {
        let left = 2;
        for await (const page of pages.list(after, signal)) {
          if (after !== undefined && left-- === 0) throw new Error('refused');
          yield page;
        }
      } finally {
        open.delete(after);
      }
    };
    await expect(Array.fromAsync(listAtOnce(failing, PREFIX))).rejects.toThrow('refused');
    expect(open.size).toBe(0);
  });
});

describe('a key ahead', () => {
  it('lies about as many pages ahead as it should', () => {
    const page = count(1000, (i) => `${String(i).padStart(7, '0')}.log`);
    const ahead = keyAhead(page, 8, PREFIX.length) ?? '';
    expect(compareKeys(ahead, `${PREFIX}0004`)).toBeGreaterThan(0);
    expect(compareKeys(ahead, `${PREFIX}0012`)).toBeLessThan(0);
  });

  it.each([[[]], [['a/5']], [['a/5', 'a/6']]])('is undefined for a page that allows no guess: %j', (keys) => {
    expect(keyAhead(keys, 8, 2)).toBeUndefined();
  });

  it('is never behind the page, nor half a character', () => {
    fc.assert(
      fc.property(fc.array(odd, { maxLength: 20 }), fc.integer({ min: 1, max: 20 }), (names, pages) => {
        const keys = sorted(names);
        const ahead = keyAhead(keys, pages, PREFIX.length);
        if (ahead === undefined) return;
        expect(ahead.isWellFormed()).toBe(true);
        expect(compareKeys(ahead, keys.at(-1) ?? '')).toBeGreaterThan(0);
      }),
    );
  });
});

import { compareKeys } from './key-order.ts';

interface Keyed {
  key: string;
}

/** The items of two lists that have the same key; undefined for a list that has none. */
export type Pair<A, B> = [a: A | undefined, b: B | undefined];

/**
 * Pairs the items of two lists by their keys (a merge join). Both lists are in key order and come in batches; the pairs are
 * in key order and come in batches too. Of several items with one key in one list, each is paired with the item of the
 * other. Both lists are closed when the reader of the pairs ends early.
 */
export async function* sideBySide<A extends Keyed, B extends Keyed>(
  as: AsyncIterable<A[]>,
  bs: AsyncIterable<B[]>,
): AsyncGenerator<Pair<A, B>[]> {
  const a = as[Symbol.asyncIterator]();
  const b = bs[Symbol.asyncIterator]();
  const pairing = new Pairing<A, B>();
  try {
    while (!pairing.isOver) {
      if (pairing.wantsA) pairing.giveA(await a.next());
      if (pairing.wantsB) pairing.giveB(await b.next());
      const pairs = pairing.take();
      if (pairs.length > 0) yield pairs;
    }
  } finally {
    await a.return?.();
    await b.return?.();
  }
}

/** Looks items up in a list that is in key order and comes in batches, by keys that are asked for in key order. */
export class Lookup<T extends Keyed> {
  readonly #lists: AsyncIterator<T[]>;
  #list: T[] = [];
  #at = 0;
  #ended = false;

  constructor(lists: AsyncIterable<T[]>) {
    this.#lists = lists[Symbol.asyncIterator]();
  }

  /** The item of each wanted key, or undefined. No key may come before one that was asked for earlier. */
  async find(wanted: Keyed[]): Promise<(T | undefined)[]> {
    const found: (T | undefined)[] = [];
    for (const { key } of wanted) {
      while (!this.#ended && !this.#reaches(key)) await this.#next();
      const item = this.#list[this.#at];
      found.push(item?.key === key ? item : undefined);
    }
    return found;
  }

  /** Skips the items of the current batch that come before a key. False if those are all of it. */
  #reaches(key: string): boolean {
    for (; this.#at < this.#list.length; this.#at++) {
      if (compareKeys((this.#list[this.#at] as T).key, key) >= 0) return true;
    }
    return false;
  }

  async #next(): Promise<void> {
    const next = await this.#lists.next();
    this.#ended = next.done === true;
    this.#list = next.done === true ? [] : next.value;
    this.#at = 0;
  }

  /** Closes the list. */
  async close(): Promise<void> {
    await this.#lists.return?.();
  }
}

/** The same as `sideBySide`, for two lists that are in memory. */
export function pairsOf<A extends Keyed, B extends Keyed>(as: A[], bs: B[]): Pair<A, B>[] {
  const pairing = new Pairing<A, B>();
  pairing.giveA({ value: as });
  pairing.giveB({ value: bs });
  const pairs = pairing.take();
  pairing.giveA({ done: true, value: undefined });
  pairing.giveB({ done: true, value: undefined });
  return [...pairs, ...pairing.take()];
}

/** The batches of two lists that were read and are not paired yet. */
class Pairing<A extends Keyed, B extends Keyed> {
  readonly #a = new Side<A>();
  readonly #b = new Side<B>();
  /** The last pair. */
  #last: { key: string; a: A | undefined; b: B | undefined } | undefined;

  get isOver(): boolean {
    return this.#a.ended && this.#b.ended && this.#a.isEmpty && this.#b.isEmpty;
  }

  get wantsA(): boolean {
    return this.#a.isEmpty && !this.#a.ended;
  }

  get wantsB(): boolean {
    return this.#b.isEmpty && !this.#b.ended;
  }

  giveA(next: IteratorResult<A[], unknown>): void {
    this.#a.give(next);
  }

  giveB(next: IteratorResult<B[], unknown>): void {
    this.#b.give(next);
  }

  /** The pairs up to the end of either batch: the next batch of that list may have the key of what is left. */
  take(): Pair<A, B>[] {
    const pairs: Pair<A, B>[] = [];
    const [left, right] = [this.#a, this.#b];
    while ((!left.isEmpty || left.ended) && (!right.isEmpty || right.ended)) {
      const [a, b] = [left.first, right.first];
      if (a === undefined && b === undefined) break;
      const order = a === undefined ? 1 : b === undefined ? -1 : compareKeys(a.key, b.key);
      // An item that repeats the last key is paired with the item of the other list, which was passed already.
      const pair: Pair<A, B> = [
        order <= 0 ? a : this.#lastOf(b?.key)?.a,
        order >= 0 ? b : this.#lastOf(a?.key)?.b,
      ];
      if (order <= 0) left.shift();
      if (order >= 0) right.shift();
      this.#last = { key: (a !== undefined && order <= 0 ? a : (b as B)).key, a: pair[0], b: pair[1] };
      pairs.push(pair);
    }
    return pairs;
  }

  /** The last pair, if it has this key. */
  #lastOf(key: string | undefined) {
    return this.#last?.key === key ? this.#last : undefined;
  }
}

/** The current batch of one list. */
class Side<T> {
  ended = false;
  #items: T[] = [];
  #at = 0;

  get isEmpty(): boolean {
    return this.#at === this.#items.length;
  }

  get first(): T | undefined {
    return this.#items[this.#at];
  }

  shift(): void {
    this.#at++;
  }

  give(next: IteratorResult<T[], unknown>): void {
    if (next.done === true) {
      this.ended = true;
      return;
    }
    this.#items = next.value;
    this.#at = 0;
  }
}

import { compressed, decompressed } from './compressed-list.ts';
import { keyAhead } from './key-ahead.ts';
import { compareKeys } from '../model/key-order.ts';
import type { ListedObject } from '../model/store.ts';

/** Listings of one prefix at once: more than one core can parse. */
const LISTINGS = 8;
/** How far ahead of a listing another begins. */
const PAGES_APART = 8;
/** Pages that are held because what comes before them is not listed yet. */
const PAGES_HELD = LISTINGS * PAGES_APART;
/** Of each listing: the next one comes sooner than these are done. Others wait compressed. */
const PAGES_READY = 2;
/** A prefix of fewer pages than this is listed once: nothing waits for it. */
const SPREAD_FROM = 32;

/** Lists what lies behind a key, or all. */
export type List = (after: string | undefined, signal: AbortSignal) => AsyncIterable<ListedObject[]>;

/** Told as pages come, in whatever order and before they are taken. */
export interface ListingProgress {
  listed: (page: ListedObject[]) => void;
  /** All of it. */
  ended: () => void;
}

const UNWATCHED: ListingProgress = { listed: () => undefined, ended: () => undefined };

/**
 * The pages of a listing, in key order. S3 lists a prefix a page at a time; where there are many, several listings go
 * on at once, each from a key that lies some pages ahead of another, up to the key at which the next one began. Where
 * they begin is guessed (see `keyAhead`): a bad guess costs a request, never a key.
 */
export async function* listAtOnce(
  list: List,
  prefix: string,
  progress = UNWATCHED,
  spreadFrom = SPREAD_FROM,
): AsyncGenerator<ListedObject[]> {
  const stop = new AbortController();
  const listing = new Listing(list, prefix, progress, spreadFrom, stop.signal);
  try {
    for (let page = await listing.next(); page !== undefined; page = await listing.next()) yield page;
  } finally {
    stop.abort();
    await listing.ended();
  }
}

class Listing {
  readonly #list: List;
  readonly #prefix: string;
  readonly #progress: ListingProgress;
  readonly #spreadFrom: number;
  readonly #signal: AbortSignal;
  /** In key order; the first is what is taken from. */
  readonly #ranges: Range[];
  #pages = 0;
  #failure: { error: unknown } | undefined;
  #wake: () => void = () => undefined;

  constructor(
    list: List,
    prefix: string,
    progress: ListingProgress,
    spreadFrom: number,
    signal: AbortSignal,
  ) {
    this.#list = list;
    this.#prefix = prefix;
    this.#progress = progress;
    this.#spreadFrom = spreadFrom;
    this.#signal = signal;
    this.#ranges = [new Range(list(undefined, signal), undefined)];
  }

  async next(): Promise<ListedObject[] | undefined> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure.error;
      const [head] = this.#ranges;
      if (head === undefined) return undefined;
      const page = head.take();
      this.#goOn();
      if (page !== undefined) return page;
      if (head.isDone) this.#ranges.shift();
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
    }
  }

  async ended(): Promise<void> {
    await Promise.all(this.#ranges.map((range) => range.close()));
  }

  /** Every listing that has room for it fetches its next page; where one can be divided, another begins. */
  #goOn(): void {
    let held = this.#ranges.reduce((sum, { pages }) => sum + pages.length, 0);
    for (const [i, range] of this.#ranges.entries()) {
      // The first is let go on even so where nothing of it is there: it is what all others wait for.
      const mayHold = held < PAGES_HELD || (i === 0 && range.pages.length === 0);
      if (range.isDone || range.isBusy || !mayHold) continue;
      held++;
      void this.#fetch(range);
    }
  }

  async #fetch(range: Range): Promise<void> {
    try {
      const page = await range.fetch();
      this.#pages++;
      if (page.length > 0) this.#progress.listed(page);
      this.#divide();
      if (this.#ranges.every(({ isDone }) => isDone)) this.#progress.ended();
      this.#goOn();
    } catch (error) {
      if (!this.#signal.aborted) this.#failure ??= { error };
    }
    this.#wake();
  }

  #divide(): void {
    const active = this.#ranges.filter(({ isDone }) => !isDone);
    if (this.#pages < this.#spreadFrom || active.length >= LISTINGS) return;
    for (const range of active) {
      const middle = range.divideAt(PAGES_APART, this.#prefix.length);
      if (middle === undefined) continue;
      const behind = new Range(this.#list(middle, this.#signal), range.end);
      range.end = middle;
      this.#ranges.splice(this.#ranges.indexOf(range) + 1, 0, behind);
      return;
    }
  }
}

/** One listing, up to and with the key `end`. */
class Range {
  readonly pages: (ListedObject[] | Buffer)[] = [];
  end: string | undefined;
  isDone = false;
  isBusy = false;
  readonly #iterator: AsyncIterator<ListedObject[]>;
  #last: ListedObject[] = [];
  #fetched = 0;
  #dividableFrom = 1;

  constructor(pages: AsyncIterable<ListedObject[]>, end: string | undefined) {
    this.#iterator = pages[Symbol.asyncIterator]();
    this.end = end;
  }

  /** The next page; empty where there is none. */
  async fetch(): Promise<ListedObject[]> {
    this.isBusy = true;
    const next = await this.#iterator.next();
    this.isBusy = false;
    if (next.done === true) {
      this.isDone = true;
      return [];
    }
    this.#fetched++;
    const { end } = this;
    const isWithin = ({ key }: ListedObject): boolean => end === undefined || compareKeys(key, end) <= 0;
    const within = next.value.every(isWithin) ? next.value : next.value.filter(isWithin);
    if (within.length > 0) this.pages.push(this.pages.length < PAGES_READY ? within : compressed(within));
    this.#last = within;
    if (within.length < next.value.length) {
      this.isDone = true;
      await this.close();
    }
    return within;
  }

  take(): ListedObject[] | undefined {
    const page = this.pages.shift();
    return Buffer.isBuffer(page) ? decompressed(page) : page;
  }

  /** Where another listing could take over from this one; undefined where it should go on alone for now. */
  divideAt(pagesApart: number, fixed: number): string | undefined {
    if (this.#fetched < this.#dividableFrom) return undefined;
    this.#dividableFrom = this.#fetched + pagesApart;
    const middle = keyAhead(
      this.#last.map(({ key }) => key),
      pagesApart,
      fixed,
    );
    const isWithin = middle !== undefined && (this.end === undefined || compareKeys(middle, this.end) < 0);
    return isWithin ? middle : undefined;
  }

  async close(): Promise<void> {
    // A page that is under way ends by the signal, and its failure is nobody's.
    await this.#iterator.return?.().catch(() => undefined);
  }
}

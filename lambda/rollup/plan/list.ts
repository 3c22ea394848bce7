import { compareKeys } from '../model/key-order.ts';
import type { ListedObject } from '../model/store.ts';
import { keyAhead } from './key-ahead.ts';

/** Listings of one prefix that run side by side, at most: their responses are more than one core can parse. */
const LISTINGS = 8;
/** Pages between the beginnings of two listings, as far as that can be guessed. */
const PAGES_APART = 8;
/** Pages that wait, at most, because those before them are not listed yet: some 14 MB. */
const PAGES_HELD = LISTINGS * PAGES_APART;
/** A prefix of fewer pages is listed by one listing alone: its pages come before anything waits for them. */
const SPREAD_FROM = 32;

/** Lists the keys after `after`, or all, page by page in key order. */
export type List = (after: string | undefined, signal: AbortSignal) => AsyncIterable<ListedObject[]>;

/** Callbacks for pages as they arrive: in any order, and before they are yielded. */
export interface ListingProgress {
  listed: (page: ListedObject[]) => void;
  /** Called once, after the last page. */
  ended: () => void;
}

const UNWATCHED: ListingProgress = { listed: () => undefined, ended: () => undefined };

/**
 * Yields the pages of a listing in key order. S3 lists a prefix one page after another. Where there are many pages,
 * several listings run side by side, each of a range of keys: it begins at a key some pages ahead of another listing, and
 * ends at the key at which the next one began. These keys are guessed (see `keyAhead`): a bad guess costs a request, and
 * never loses a key. On a failure all listings are stopped and waited for before it is thrown.
 *
 * @param prefix the prefix that `list` lists
 * @param progress callbacks for pages as they arrive
 * @param spreadFrom pages after which further listings begin
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
    await listing.close();
  }
}

class Listing {
  readonly #list: List;
  readonly #prefix: string;
  readonly #progress: ListingProgress;
  readonly #spreadFrom: number;
  readonly #signal: AbortSignal;
  /** In key order. Pages are taken from the first one. */
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

  /** The next page in key order; undefined after the last. */
  async next(): Promise<ListedObject[] | undefined> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure.error;
      const [head] = this.#ranges;
      if (head === undefined) return undefined;
      const page = head.take();
      this.#fetchMore();
      if (page !== undefined) return page;
      if (head.isDone) this.#ranges.shift();
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
    }
  }

  /** Ends all listings and waits for them. */
  async close(): Promise<void> {
    await Promise.all(this.#ranges.map((range) => range.close()));
  }

  /** Has every range that is idle fetch its next page, as far as there is room for pages that wait. */
  #fetchMore(): void {
    let held = this.#ranges.reduce((sum, { pages }) => sum + pages.length, 0);
    for (const [i, range] of this.#ranges.entries()) {
      // All others wait for the first range: it may always have one page.
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
      this.#fetchMore();
    } catch (error) {
      if (!this.#signal.aborted) this.#failure ??= { error };
    }
    this.#wake();
  }

  /** Begins another listing in the middle of a range that can be divided. */
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

/** One listing, up to and including the key `end`; without one, up to the last key. */
class Range {
  readonly pages: ListedObject[][] = [];
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

  /** Fetches the next page and queues it. Returns it; empty where there is none. */
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
    if (within.length > 0) this.pages.push(within);
    this.#last = within;
    if (within.length < next.value.length) {
      this.isDone = true;
      await this.close();
    }
    return within;
  }

  /** The next page that was fetched; undefined where none is waiting. */
  take(): ListedObject[] | undefined {
    return this.pages.shift();
  }

  /**
   * The key at which another listing could take over from this one; undefined where this one should go on alone for now.
   * `fixed`: characters at the front of every key that are the same.
   */
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
    // A request in flight ends by the signal; its failure is of no interest.
    await this.#iterator.return?.().catch(() => undefined);
  }
}

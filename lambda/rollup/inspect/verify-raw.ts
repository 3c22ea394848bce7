import type { CommittedSource, StoredSource } from '../model/manifest.ts';
import type { Pair } from '../model/side-by-side.ts';
import type { ListedObject } from '../model/store.ts';
import { BitSet, isArchived } from '../plan/reconcile.ts';
import type { Selector } from '../plan/select.ts';
import type { VerifyProblem } from './report.ts';

/** What comes of a comparison of raw with what is committed, side by side. */
export class RawCheck {
  /** What is in raw and not, or not as it is now, in the rollup, though it was to be. */
  readonly problems: VerifyProblem[] = [];
  /** By ordinal: sources that can be read in raw as they were committed. */
  readonly present = new BitSet();
  /** Committed sources. */
  objects = 0;
  bytes = 0;
  expired = 0;
  /** Committed sources under the key of another. */
  repeated = 0;
  readonly #select: Selector;
  #last: string | undefined;

  constructor(select: Selector) {
    this.#select = select;
  }

  take(pairs: Pair<ListedObject, StoredSource>[]): void {
    for (const [now, was] of pairs) {
      if (was !== undefined) {
        this.objects++;
        this.bytes += was.size;
        if (was.key === this.#last) this.repeated++;
        this.#last = was.key;
        if (isGone(now)) this.expired++;
        else if (isSame(now, was)) this.present.add(was.ordinal);
      }
      if (now !== undefined) this.#check(now, was);
    }
  }

  #check(now: ListedObject, was: CommittedSource | undefined): void {
    const { key } = now;
    if (now.size === 0 || (was !== undefined && isSame(now, was)) || this.#select(key) === undefined) return;
    if (was === undefined) {
      const message = `${key} is not in the rollup. Run again to add it.`;
      this.problems.push({ code: 'source-late', message, source: key });
      return;
    }
    const message = `${key} was changed after it was rolled up. Run again to rebuild the output that holds it.`;
    this.problems.push({ code: 'source-changed', message, source: key, output: was.output });
  }
}

function isSame(now: ListedObject | undefined, committed: CommittedSource): boolean {
  return now?.etag === committed.etag && now.size === committed.size;
}

/** Its bytes cannot be had from raw, though it may be listed there. */
function isGone(now: ListedObject | undefined): boolean {
  return now === undefined || now.size === 0 || isArchived(now);
}

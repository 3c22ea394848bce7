import type { CommittedSource, StoredSource } from '../model/manifest.ts';
import type { Pair } from '../model/side-by-side.ts';
import type { ListedObject } from '../model/store.ts';
import { BitSet, isArchived } from '../plan/reconcile.ts';
import type { Selector } from '../plan/select.ts';
import type { VerifyProblem } from './report.ts';

/** Compares the listing of raw with the committed sources, side by side. */
export class RawCheck {
  /** Objects in raw that should be in the rollup and are not, or not as they are now. */
  readonly problems: VerifyProblem[] = [];
  /** The ordinals, in the index, of sources that can be read in raw as they were committed. */
  readonly present = new BitSet();
  /** Committed sources. */
  objects = 0;
  /** The sum of their sizes. */
  bytes = 0;
  /** Committed sources that cannot be read in raw any more. */
  expired = 0;
  /** Committed sources that have the key of another. */
  repeated = 0;
  readonly #select: Selector;
  #lastKey: string | undefined;

  constructor(select: Selector) {
    this.#select = select;
  }

  /** Adds the next pairs in key order: an object in raw, and the committed source under its key. */
  take(pairs: Pair<ListedObject, StoredSource>[]): void {
    for (const [object, committed] of pairs) {
      if (committed !== undefined) {
        this.objects++;
        this.bytes += committed.size;
        if (committed.key === this.#lastKey) this.repeated++;
        this.#lastKey = committed.key;
        if (isGone(object)) this.expired++;
        else if (isSame(object, committed)) this.present.add(committed.ordinal);
      }
      if (object !== undefined) this.#check(object, committed);
    }
  }

  /** Notes a problem if the object should be in the rollup and is not as it is now. */
  #check(object: ListedObject, committed: CommittedSource | undefined): void {
    const { key } = object;
    if (object.size === 0 || (committed !== undefined && isSame(object, committed))) return;
    if (this.#select(key) === undefined) return;
    if (committed === undefined) {
      const message = `${key} is not in the rollup. Run again to add it.`;
      this.problems.push({ code: 'source-late', message, source: key });
      return;
    }
    const message = `${key} was changed after it was rolled up. Run again to rebuild the output that holds it.`;
    this.problems.push({ code: 'source-changed', message, source: key, output: committed.output });
  }
}

function isSame(object: ListedObject | undefined, committed: CommittedSource): boolean {
  return object?.etag === committed.etag && object.size === committed.size;
}

/** True of a source whose bytes cannot be read from raw, though it may be listed there. */
function isGone(object: ListedObject | undefined): boolean {
  return object === undefined || object.size === 0 || isArchived(object);
}

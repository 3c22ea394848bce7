import type { Settings } from '../../settings/table.ts';
import { encodingOf } from '../model/encoding.ts';
import { compareKeys } from '../model/key-order.ts';
import type { Location } from '../model/location.ts';
import type { CommittedOutput, CommittedSource, Rollup, StoredSource } from '../model/manifest.ts';
import { type Piece, type PlannedOutput, type Skipped, indexOf } from '../model/output.ts';
import { type Pair, pairsOf } from '../model/side-by-side.ts';
import type { ListedObject } from '../model/store.ts';
import { Packer } from './pack.ts';
import { type Noted, Reconciliation } from './reconcile.ts';
import { Samples } from './sample-sources.ts';
import { type Selection, type Selector, createSelector } from './select.ts';
import { Weights } from './weights.ts';

/** What a run has to do, from the listing and what is committed. */
export interface Plan {
  generation: number;
  /** Outputs that stay as they are. */
  sealed: CommittedOutput[];
  /** Outputs to be written, in index order. */
  planned: PlannedOutput[];
  skipped: Skipped;
  /** The first keys that were filtered. */
  filtered: string[];
}

/** Filtered keys that are named. */
const NAMED = 10;

/** What planning has to know beforehand of what is committed. */
type Committed = Pick<Rollup, 'manifest' | 'etag'>;

export interface PlannerInput {
  /** What is committed, if anything is. */
  committed: Committed | undefined;
  source: Location;
  /** Output keys begin with its prefix. */
  destination: Location;
  settings: Pick<Settings, 'targetSize' | 'newline'> & Partial<Selection & Pick<Settings, 'codec' | 'level'>>;
  /** Plan every source afresh, in a generation of its own. */
  repack?: boolean;
}

/**
 * Plans while the listing comes. Where nothing is committed, an output is planned as soon as its last source is listed,
 * and so it is on a repack; otherwise what changed decides what is planned again. That is known once all was compared,
 * and then what is to be planned is given a second time.
 */
export class Planner {
  readonly generation: number;
  readonly skipped: Skipped = { empty: 0, filtered: 0 };
  /** With a codec, what sources come to in an output has to be measured before they are added. */
  readonly weights: Weights;
  /** The first keys that were filtered. */
  readonly filtered: string[] = [];
  readonly #select: Selector;
  readonly #outputs: CommittedOutput[];
  readonly #found: Reconciliation | undefined;
  readonly #samples: Samples;
  readonly #packer: Packer;
  /** Outputs are planned while the listing comes. */
  readonly plansAtOnce: boolean;
  #lastKey: string | undefined;

  constructor({ committed, source, destination, settings, repack = false }: PlannerInput) {
    this.#outputs = committed?.manifest.outputs ?? [];
    this.#select = createSelector(settings, source.prefix);
    this.#found = committed && new Reconciliation(committed.manifest, repack);
    this.generation = (committed?.manifest.generation ?? 0) + (repack ? 1 : 0);
    const { targetSize, newline, codec = 'keep', level } = settings;
    const encoding = encodingOf({ codec, level });
    this.weights = new Weights(encoding);
    this.#samples = new Samples(this.weights);
    // With a codec, samples of all that is to be planned come first.
    this.plansAtOnce = committed === undefined || (repack && encoding === undefined);
    this.#packer = new Packer({
      ...{ targetSize, newline, encoding },
      weigh: (piece) => this.weights.weigh(piece),
      basis: committed?.etag ?? '',
      generation: this.generation,
      destination,
      firstIndex: repack ? 0 : nextIndex(this.#outputs),
    });
  }

  /**
   * Where nothing is committed: a page of the source prefix; pages and what is in them are in key order. Returns the
   * outputs that are closed now.
   */
  add(page: ListedObject[]): PlannedOutput[] {
    return page.flatMap((object) => {
      const folder = this.#folderOfListed(object, false);
      return folder === undefined ? [] : this.#packer.add({ source: object, from: undefined }, folder);
    });
  }

  /**
   * Where something is committed: what is in raw and what is committed, all of it in key order. Returns the outputs that
   * are closed now, if it plans at once.
   */
  compare(pairs: Pair<ListedObject, StoredSource>[]): PlannedOutput[] {
    const planned: PlannedOutput[] = [];
    const found = this.#comparison;
    for (const [object, was] of pairs) {
      const folder = object && this.#folderOfListed(object, was !== undefined);
      // What is left out is as what has left raw: what was committed of it stays.
      const now = folder === undefined ? undefined : object;
      if (this.plansAtOnce) planned.push(...this.#pack(found.piece(now, was), folder));
      else found.compare(now, was);
    }
    return planned;
  }

  /** Once all was compared: whether it has to be asked for again, what was noted of it and what is committed. */
  get hasMore(): boolean {
    return !this.plansAtOnce && this.#comparison.hasWork;
  }

  /** What was noted, in key order. `last`: it is not asked for again. */
  noted(last: boolean): Generator<Noted[]> {
    return this.#comparison.noted(last);
  }

  /** Whether a second pass needs what is committed. */
  get hasUnsealed(): boolean {
    return this.#comparison.unsealed.size > 0;
  }

  /** Of what a second pass has to plan; what changed counts as it was committed. */
  get extent(): { objects: number; bytes: number } {
    return this.#comparison.extent;
  }

  /** With a codec, a pass by itself before anything is packed: takes samples. */
  sample(pairs: Pair<Noted, StoredSource>[]): void {
    for (const pair of pairs) this.#samples.add(this.#comparison.pieceAgain(pair));
  }

  /** What to measureRatios by, of what is to be packed. */
  get samples(): Piece[] {
    return this.#samples.pieces;
  }

  /** The second pass. Returns the outputs that are closed now. */
  pack(pairs: Pair<Noted, StoredSource>[]): PlannedOutput[] {
    return pairs.flatMap((pair) => this.#pack(this.#comparison.pieceAgain(pair), undefined));
  }

  /** After all of it: the outputs that are left to plan. */
  end(): PlannedOutput[] {
    return this.#packer.end();
  }

  /** False for what is left out. Throws as `add` does. */
  isSelected(key: string): boolean {
    return this.#select(key) !== undefined;
  }

  /** Outputs that stay as they are; known once all was compared. */
  get sealed(): CommittedOutput[] {
    const unsealed = this.#found?.unsealed;
    return this.#outputs.filter((output) => unsealed?.has(output.key) === false);
  }

  get #comparison(): Reconciliation {
    if (this.#found === undefined) throw new Error('Nothing is committed.');
    return this.#found;
  }

  /** That of its output; undefined where it is skipped, which is counted. */
  #folderOfListed({ key, size }: ListedObject, isCommitted: boolean): string | undefined {
    // Directory markers are zero-byte objects too. An object emptied in place is as one that has left raw:
    // what was committed of it stays.
    if (size === 0) {
      this.skipped.empty++;
      return undefined;
    }
    const folder = this.#select(key);
    // One that is committed stays so, as what has left raw does.
    if (folder === undefined && !isCommitted) {
      this.skipped.filtered++;
      if (this.filtered.length < NAMED) this.filtered.push(key);
    }
    return folder;
  }

  #pack(piece: Piece | undefined, folder: string | undefined): PlannedOutput[] {
    // An index that tells of a source twice is not taken at its word.
    if (piece === undefined || piece.source.key === this.#lastKey) return [];
    this.#lastKey = piece.source.key;
    return this.#packer.add(piece, folder ?? folderOf(piece, this.#select));
  }
}

/** The folder of a source's output. What is committed has a place, whatever is selected by now. */
export function folderOf({ source: { key }, from }: Piece, select: Selector): string {
  if (from === undefined) return select(key) ?? '';
  try {
    return select(key) ?? '';
  } catch {
    return '';
  }
}

export interface PlanInput extends Omit<PlannerInput, 'committed'> {
  /** The source prefix, whole, in key order. */
  listed: ListedObject[];
  /** What is committed, with its sources in any order. */
  committed: (Committed & { sources: CommittedSource[] }) | undefined;
}

/** Pure: the same listing, commit and settings give the same plan. What a run does a page at a time is done at once. */
export function planRollup({ listed, ...input }: PlanInput): Plan {
  const planner = new Planner(input);
  const planned: PlannedOutput[] = [];
  if (input.committed === undefined) {
    planned.push(...planner.add(listed));
  } else {
    const committed = input.committed.sources
      .map((source, ordinal) => ({ ...source, ordinal }))
      .sort((a, b) => compareKeys(a.key, b.key));
    planned.push(...planner.compare(pairsOf(listed, committed)));
    if (planner.hasMore) {
      const noted = [...planner.noted(true)].flat();
      planned.push(...planner.pack(pairsOf(noted, planner.hasUnsealed ? committed : [])));
    }
  }
  planned.push(...planner.end());
  const { generation, sealed, skipped, filtered } = planner;
  return { generation, sealed, planned, skipped, filtered };
}

/**
 * Past every index that was ever committed, those of unsealed outputs too: a new output never has the key
 * of one that is about to be deleted.
 */
export function nextIndex(outputs: CommittedOutput[]): number {
  return outputs.reduce((next, output) => Math.max(next, indexOf(output.key) + 1), 0);
}

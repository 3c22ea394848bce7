import type { Settings } from '../../settings/table.ts';
import { encodingOf } from '../model/encoding.ts';
import { compareKeys } from '../model/key-order.ts';
import type { Location } from '../model/location.ts';
import type { CommittedOutput, CommittedSource, Rollup, StoredSource } from '../model/manifest.ts';
import { type Piece, type PlannedOutput, type Skipped, indexOf } from '../model/output.ts';
import { type Pair, pairsOf } from '../model/side-by-side.ts';
import type { ListedObject } from '../model/store.ts';
import { Packer } from './pack.ts';
import { type PendingObject, Reconciliation } from './reconcile.ts';
import { Samples } from './sample-sources.ts';
import { type Selection, type Selector, createSelector } from './select.ts';
import { Weights } from './weights.ts';

/** The work of a run, from the listing of raw and the current manifest. */
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

/** Filtered keys that a plan names, at most. */
const NAMED = 10;

/** The part of a commit that is needed before the first key is compared. */
type Committed = Pick<Rollup, 'manifest' | 'etag'>;

/** All that a plan depends on besides the listing. */
export interface PlannerInput {
  /** The current manifest; undefined where nothing is committed. */
  committed: Committed | undefined;
  source: Location;
  /** Output keys begin with its prefix. */
  destination: Location;
  settings: Pick<Settings, 'targetSize' | 'newline'> & Partial<Selection & Pick<Settings, 'codec' | 'level'>>;
  /**
   * Plan every source afresh, in a generation of its own.
   *
   * @defaultValue false
   */
  repack?: boolean;
  /**
   * Keys of committed outputs that are not there: their sources are planned again, from raw.
   *
   * @defaultValue none
   */
  missing?: ReadonlySet<string>;
}

/**
 * Plans outputs from the listing and the committed sources, a page at a time.
 *
 * - Nothing is committed: call `add` with every page. An output is planned as soon as its last source is listed.
 * - Something is committed: call `compare` with both, side by side. On a repack without a codec that plans outputs too.
 *   Otherwise sources that changed decide which outputs are planned again, which is known only once all was compared: if
 *   `needsSecondPass`, call `pack` with the pending objects and the committed sources, side by side.
 *
 * Then call `end`.
 */
export class Planner {
  readonly generation: number;
  readonly skipped: Skipped = { empty: 0, filtered: 0 };
  /** Sizes of sources in an output. With a codec they have to be measured before the sources are added. */
  readonly weights: Weights;
  /** The first keys that were filtered. */
  readonly filtered: string[] = [];
  /** True if outputs are planned while the listing is read, in one pass. */
  readonly plansWhileListing: boolean;
  readonly #select: Selector;
  readonly #outputs: CommittedOutput[];
  readonly #reconciliation: Reconciliation | undefined;
  readonly #samples: Samples;
  readonly #packer: Packer;
  #lastKey: string | undefined;

  constructor({ committed, source, destination, settings, repack = false, missing }: PlannerInput) {
    this.#outputs = committed?.manifest.outputs ?? [];
    this.#select = createSelector(settings, source.prefix);
    this.#reconciliation = committed && new Reconciliation(committed.manifest, repack, missing);
    this.generation = (committed?.manifest.generation ?? 0) + (repack ? 1 : 0);
    const { targetSize, newline, codec = 'keep', level } = settings;
    const encoding = encodingOf({ codec, level });
    this.weights = new Weights(encoding);
    this.#samples = new Samples(this.weights);
    // A repack with a codec first takes samples of all that is to be planned.
    this.plansWhileListing = committed === undefined || (repack && encoding === undefined);
    this.#packer = new Packer({
      targetSize,
      newline,
      encoding,
      weigh: (piece) => this.weights.weigh(piece),
      basis: committed?.etag ?? '',
      generation: this.generation,
      destination,
      firstIndex: repack ? 0 : nextIndex(this.#outputs),
    });
  }

  /**
   * Adds a page of the listing, where nothing is committed. Pages, and the objects in them, are in key order.
   *
   * @returns the outputs that are now complete
   * @throws RollupError `InvalidArgument` for a key whose captures by `groupBy` are no folder
   */
  add(page: ListedObject[]): PlannedOutput[] {
    return page.flatMap((object) => {
      const folder = this.#folderOfListed(object, false);
      return folder === undefined ? [] : this.#packer.add({ source: object, from: undefined }, folder);
    });
  }

  /**
   * Compares listed objects with committed sources, where something is committed: the first pass, in key order.
   *
   * @returns the outputs that are now complete; none unless `plansWhileListing`
   * @throws RollupError as `add` does
   */
  compare(pairs: Pair<ListedObject, StoredSource>[]): PlannedOutput[] {
    const planned: PlannedOutput[] = [];
    const reconciliation = this.#comparison;
    for (const [object, committed] of pairs) {
      const folder = object && this.#folderOfListed(object, committed !== undefined);
      // A skipped object counts as one that has left raw: if it is committed, it stays so.
      const listed = folder === undefined ? undefined : object;
      if (this.plansWhileListing)
        planned.push(...this.#pack(reconciliation.pieceOf(listed, committed), folder));
      else reconciliation.compare(listed, committed);
    }
    return planned;
  }

  /**
   * True if, after the first pass, `pack` has to be called for the second.
   *
   * @throws RollupError `OutputMissing` where a committed output is not there, and raw does not have all of its sources
   */
  get needsSecondPass(): boolean {
    this.#comparison.refuseLost();
    return !this.plansWhileListing && this.#comparison.needsSecondPass;
  }

  /** Listed objects for the second pass, in key order. `release`: this is the last time that they are read. */
  pendingObjects(release: boolean): Generator<PendingObject[]> {
    return this.#comparison.pendingObjects(release);
  }

  /** True if the second pass reads the committed sources too. */
  get hasUnsealed(): boolean {
    return this.#comparison.unsealed.size > 0;
  }

  /** Sources of the second pass, about: one that was changed counts with the size that is committed. */
  get secondPassTotals(): { objects: number; bytes: number } {
    return this.#comparison.secondPassTotals;
  }

  /** With a codec: takes samples of the second pass, before anything is packed. See `samples`. */
  sample(pairs: Pair<PendingObject, StoredSource>[]): void {
    for (const pair of pairs) this.#samples.add(this.#comparison.secondPassPiece(pair));
  }

  /** Sources to measure `weights` by. */
  get samples(): Piece[] {
    return this.#samples.pieces;
  }

  /** The second pass, in key order. Returns the outputs that are now complete. */
  pack(pairs: Pair<PendingObject, StoredSource>[]): PlannedOutput[] {
    return pairs.flatMap((pair) => this.#pack(this.#comparison.secondPassPiece(pair), undefined));
  }

  /** Ends the plan. Returns the outputs that were still open. */
  end(): PlannedOutput[] {
    return this.#packer.end();
  }

  /** False for a key that filters or `groupBy` leave out. Throws as `add` does. */
  isSelected(key: string): boolean {
    return this.#select(key) !== undefined;
  }

  /** Outputs that stay as they are; known once all was compared. */
  get sealed(): CommittedOutput[] {
    const unsealed = this.#reconciliation?.unsealed;
    return this.#outputs.filter((output) => unsealed?.has(output.key) === false);
  }

  get #comparison(): Reconciliation {
    if (this.#reconciliation === undefined) throw new Error('Nothing is committed.');
    return this.#reconciliation;
  }

  /** The folder of a listed object's output; undefined if the object is skipped, which is counted. */
  #folderOfListed({ key, size }: ListedObject, isCommitted: boolean): string | undefined {
    // Directory markers have no bytes either. An object that was emptied in place counts as one that has left raw: if
    // it is committed, it stays so.
    if (size === 0) {
      this.skipped.empty++;
      return undefined;
    }
    const folder = this.#select(key);
    // A committed source stays committed, so it is not counted as filtered.
    if (folder === undefined && !isCommitted) {
      this.skipped.filtered++;
      if (this.filtered.length < NAMED) this.filtered.push(key);
    }
    return folder;
  }

  #pack(piece: Piece | undefined, folder: string | undefined): PlannedOutput[] {
    // An index with two lines of one key is damaged: the second is not planned.
    if (piece === undefined || piece.source.key === this.#lastKey) return [];
    this.#lastKey = piece.source.key;
    return this.#packer.add(piece, folder ?? folderOf(piece, this.#select));
  }
}

/**
 * The folder of a piece's output. A committed source that today's filters and `groupBy` leave out, or refuse, goes into
 * the destination itself. Throws `InvalidArgument` for a source in raw whose captures are no folder.
 */
export function folderOf({ source: { key }, from }: Piece, select: Selector): string {
  if (from === undefined) return select(key) ?? '';
  try {
    return select(key) ?? '';
  } catch {
    return '';
  }
}

/** All that a plan depends on. */
export interface PlanInput extends Omit<PlannerInput, 'committed'> {
  /** The whole listing of the source prefix, in key order. */
  listed: ListedObject[];
  /** The current commit, with its sources in any order. */
  committed: (Committed & { sources: CommittedSource[] }) | undefined;
}

/**
 * Plans a whole listing at once. A pure function: the same listing, commit and settings give the same plan, and the one
 * that `listAndPlan` gives a page at a time.
 */
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
    if (planner.needsSecondPass) {
      const pending = [...planner.pendingObjects(true)].flat();
      planned.push(...planner.pack(pairsOf(pending, planner.hasUnsealed ? committed : [])));
    }
  }
  planned.push(...planner.end());
  const { generation, sealed, skipped, filtered } = planner;
  return { generation, sealed, planned, skipped, filtered };
}

/**
 * The first index for new outputs: above that of every committed output, unsealed ones too. So no new output ever has the
 * key of one that is about to be deleted.
 */
export function nextIndex(outputs: CommittedOutput[]): number {
  return outputs.reduce((next, output) => Math.max(next, indexOf(output.key) + 1), 0);
}

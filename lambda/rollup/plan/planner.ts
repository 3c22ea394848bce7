import type { Settings } from '../../settings/table.ts';
import { type Form, encodingOf, formOfKind } from '../model/encoding.ts';
import type { Format } from '../model/format.ts';
import { compareKeys } from '../model/key-order.ts';
import { type Kind, isUtf16 } from '../model/kind.ts';
import type { Location } from '../model/location.ts';
import type { CommittedOutput, CommittedSource, Rollup, StoredSource } from '../model/manifest.ts';
import { type Piece, type PlannedOutput, type Skipped, indexOf } from '../model/output.ts';
import { type Pair, pairsOf } from '../model/side-by-side.ts';
import type { ListedObject } from '../model/store.ts';
import { Packer } from './pack.ts';
import { type PendingObject, Reconciliation } from './reconcile.ts';
import { Samples } from '../sample/spread-samples.ts';
import {
  type LeftOut,
  type Selection,
  type Selector,
  type Sorter,
  createSorter,
  folderIn,
} from './select.ts';
import { SourceFormats } from '../sample/source-formats.ts';
import { Weights } from '../sample/weights.ts';
import { JoinedOutputs } from './warn-of-joined.ts';

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
const EMPTY: LeftOut = { skipped: 'empty', by: 'empty' };

/** The part of a commit that is needed before the first key is compared. */
type Committed = Pick<Rollup, 'manifest' | 'etag'>;

/** All that a plan depends on besides the listing. */
export interface PlannerInput {
  /** The current manifest; undefined where nothing is committed. */
  committed: Committed | undefined;
  source: Location;
  /** Output keys begin with its prefix. */
  destination: Location;
  settings: Pick<Settings, 'targetSize' | 'newline'> &
    Partial<Selection & Pick<Settings, 'codec' | 'level' | 'headerLines' | 'sourceFormat'>>;
  /**
   * Plan every source afresh, in a generation of its own.
   *
   * @defaultValue false
   */
  repack?: boolean;
  /**
   * Sample every source before it is planned.
   *
   * @defaultValue false: a few of each class
   */
  samplesAll?: boolean;
  /**
   * Keys of committed outputs that are not there: their sources are planned again, from raw.
   *
   * @defaultValue none
   */
  missing?: ReadonlySet<string>;
}

/** A source that can be neither joined nor decoded. */
export interface RefusedPiece {
  piece: Piece;
  format: Format;
}

/**
 * Plans outputs from the listing and the committed sources, a page at a time.
 *
 * - Nothing is committed: call `add` with every page. An output is planned as soon as its last source is listed.
 * - Something is committed: call `compare` with both, side by side. On a repack without a codec that plans outputs too.
 *   Otherwise sources that changed decide which outputs are planned again, which is known only once all was compared: if
 *   `needsSecondPass`, call `pack` with the pending objects and the committed sources, side by side.
 *
 * Then call `end`. Before sources are added, compared on a repack, sampled or packed, call `formats.begin` with their pieces,
 * and `formats.take` with the samples of those that it returns; without, their formats are those that their keys say.
 */
export class Planner {
  readonly generation: number;
  readonly skipped: Skipped = { empty: 0, filtered: 0 };
  /** Sizes of sources in an output. With a codec they have to be measured before the sources are added. */
  readonly weights: Weights;
  /** The formats that sources are taken for. */
  readonly formats: SourceFormats;
  /** Sources that were not planned, because they can be neither joined nor decoded. */
  readonly refused: RefusedPiece[] = [];
  /** Outputs that were planned of compressed sources as they are, for a warning: whoever takes the outputs adds them. */
  readonly joined = new JoinedOutputs();
  /** The first keys that were filtered. */
  readonly filtered: string[] = [];
  /** The first keys that were left out for any reason, with the rule. */
  readonly leftOut: { key: string; by: string }[] = [];
  /** True if outputs are planned while the listing is read, in one pass. */
  readonly plansWhileListing: boolean;
  readonly #sort: Sorter;
  readonly #select: Selector;
  readonly #outputs: CommittedOutput[];
  readonly #reconciliation: Reconciliation | undefined;
  readonly #samples: Samples;
  readonly #packer: Packer;
  readonly #canTake: (kind: Kind | undefined) => boolean;
  #lastKey: string | undefined;

  constructor(input: PlannerInput) {
    const { committed, source, destination, settings, repack = false, samplesAll = false, missing } = input;
    this.#outputs = committed?.manifest.outputs ?? [];
    this.#sort = createSorter(settings, source.prefix);
    this.#select = (key) => folderIn(this.#sort(key));
    this.#reconciliation = committed && new Reconciliation(committed.manifest, repack, missing);
    this.generation = (committed?.manifest.generation ?? 0) + (repack ? 1 : 0);
    const { targetSize, newline, codec = 'keep', level, headerLines = 0, sourceFormat = 'auto' } = settings;
    const encoding = encodingOf({ codec, level, headerLines });
    this.formats = new SourceFormats({ sourceFormat, targetSize, codec }, samplesAll);
    this.weights = new Weights(encoding, (piece) => this.formats.formatOf(piece));
    this.#canTake = (kind) => {
      if (codec !== 'keep') return formOfKind(kind) !== undefined;
      // Lines are seen in text alone, and a newline of UTF-16 has two bytes.
      if (headerLines > 0) return kind === 'plain';
      return kind !== undefined && !(isUtf16(kind) && newline === 'ensure');
    };
    this.#samples = new Samples(this.weights);
    // A repack with a codec first takes samples of all that is to be planned.
    this.plansWhileListing = committed === undefined || (repack && encoding === undefined);
    this.#packer = new Packer({
      targetSize,
      newline,
      encoding,
      headerLines,
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
      return folder === undefined ? [] : this.#plan({ source: object, from: undefined }, folder);
    });
  }

  /** The pieces that `add` plans, or `compare` on a repack. */
  piecesOf(pairs: Pair<ListedObject, StoredSource>[]): Piece[] {
    return pairs.flatMap(([object, committed]) => {
      const listed = object !== undefined && this.isTaken(object) ? object : undefined;
      const piece = this.#reconciliation?.pieceOf(listed, committed);
      if (this.#reconciliation !== undefined) return piece ?? [];
      return listed === undefined ? [] : { source: listed, from: undefined };
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

  /** The pieces of the second pass. */
  secondPassPieces(pairs: Pair<PendingObject, StoredSource>[]): Piece[] {
    return pairs.flatMap((pair) => this.#comparison.secondPassPiece(pair) ?? []);
  }

  /** With a codec: takes samples of the second pass, before anything is packed. See `samples`. */
  sample(pieces: Piece[]): void {
    for (const piece of pieces) this.#samples.add(piece);
  }

  /** Sources to measure `weights` by, for each form. */
  get samples(): ReadonlyMap<Form, Piece[]> {
    return this.#samples.byForm;
  }

  /** The second pass, in key order. Returns the outputs that are now complete. */
  pack(pairs: Pair<PendingObject, StoredSource>[]): PlannedOutput[] {
    return pairs.flatMap((pair) => this.#pack(this.#comparison.secondPassPiece(pair), undefined));
  }

  /** Ends the plan. Returns the outputs that were still open. */
  end(): PlannedOutput[] {
    return this.#packer.end();
  }

  /** False for an object that is empty or left out. Throws as `add` does. */
  isTaken({ key, size }: ListedObject): boolean {
    return size > 0 && this.#select(key) !== undefined;
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
      this.#leaveOut(key, EMPTY);
      return undefined;
    }
    const sorted = this.#sort(key);
    if ('folder' in sorted) return sorted.folder;
    // A committed source stays committed, so it is not counted as left out.
    if (!isCommitted) this.#leaveOut(key, sorted);
    return undefined;
  }

  #leaveOut(key: string, { skipped, by }: LeftOut): void {
    this.skipped[skipped] = (this.skipped[skipped] ?? 0) + 1;
    if (skipped === 'filtered' && this.filtered.length < NAMED) this.filtered.push(key);
    if (this.leftOut.length < NAMED) this.leftOut.push({ key, by });
  }

  #pack(piece: Piece | undefined, folder: string | undefined): PlannedOutput[] {
    // An index with two lines of one key is damaged: the second is not planned.
    if (piece === undefined || piece.source.key === this.#lastKey) return [];
    this.#lastKey = piece.source.key;
    return this.#plan(piece, folder ?? folderOf(piece, this.#select));
  }

  #plan(piece: Piece, folder: string): PlannedOutput[] {
    const format = this.formats.formatOf(piece);
    if (format.kind !== undefined && this.#canTake(format.kind))
      return this.#packer.add(piece, format.kind, folder);
    this.refused.push({ piece, format });
    return [];
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

import type { Settings } from '../settings.ts';
import { encodingOf } from './codec.ts';
import { compareKeys } from './key-order.ts';
import type { Location } from './location.ts';
import type { CommittedOutput, CommittedSource, Rollup } from './manifest.ts';
import { type Origin, Packer, type Piece, type PlannedOutput } from './pack.ts';
import { type Selection, type Selector, createSelector } from './select.ts';
import type { ListedObject } from './store.ts';
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

export interface Skipped {
  empty: number;
  /** Left out by filters, or in no group; what is committed is not counted. */
  filtered: number;
}

// https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-class-intro.html#sc-glacier
const ARCHIVED = new Set(['GLACIER', 'DEEP_ARCHIVE']);

export function isArchived(object: ListedObject): boolean {
  return object.storageClass !== undefined && ARCHIVED.has(object.storageClass);
}

export interface PlannerInput {
  /** What is committed, if anything is. */
  committed: Rollup | undefined;
  source: Location;
  /** Output keys begin with its prefix. */
  destination: Location;
  settings: Pick<Settings, 'targetSize' | 'newline'> & Partial<Selection & Pick<Settings, 'codec' | 'level'>>;
  /** Plan every source afresh, in a generation of its own. */
  repack?: boolean;
}

/**
 * Plans while the listing comes. Where nothing is committed, an output is planned as soon as its last source is listed;
 * otherwise what changed decides what is planned again, and that is known at the end.
 */
export class Planner {
  readonly generation: number;
  readonly skipped: Skipped = { empty: 0, filtered: 0 };
  /** With a codec, what sources come to in an output has to be measured before they are added. */
  readonly weights: Weights;
  /** The first keys that were filtered. */
  readonly filtered: string[] = [];
  readonly #select: Selector;
  readonly #committedKeys: ReadonlySet<string>;
  readonly #committed: Rollup | undefined;
  readonly #repack: boolean;
  readonly #packer: Packer;
  /** What was listed, by key, where something is committed. */
  readonly #present = new Map<string, ListedObject>();
  #sealed: CommittedOutput[] = [];
  #pending: Piece[] | undefined;

  constructor({ committed, source, destination, settings, repack = false }: PlannerInput) {
    this.#committed = committed;
    this.#select = createSelector(settings, source.prefix);
    const selects = (settings.filters ?? []).length > 0 || settings.groupBy !== undefined;
    this.#committedKeys = new Set(selects ? committed?.sources.map(({ key }) => key) : []);
    this.#repack = repack;
    this.generation = (committed?.manifest.generation ?? 0) + (repack ? 1 : 0);
    const { targetSize, newline, codec = 'keep', level } = settings;
    const encoding = encodingOf({ codec, level });
    this.weights = new Weights(encoding);
    this.#packer = new Packer({
      ...{ targetSize, newline, encoding },
      weigh: (piece) => this.weights.weigh(piece),
      basis: committed?.etag ?? '',
      generation: this.generation,
      destination,
      firstIndex: repack ? 0 : nextIndex(committed),
    });
  }

  /** A page of the source prefix; pages and what is in them are in key order. Returns the outputs that are closed now. */
  add(page: ListedObject[]): PlannedOutput[] {
    const planned: PlannedOutput[] = [];
    for (const object of page) {
      // Directory markers are zero-byte objects too. An object emptied in place is as one that has left raw:
      // what was committed of it stays.
      if (object.size === 0) {
        this.skipped.empty++;
        continue;
      }
      const folder = this.#select(object.key);
      // One that is committed stays so, as what has left raw does.
      if (folder === undefined) this.#skip(object.key);
      else if (this.#committed === undefined)
        planned.push(...this.#packer.add({ source: object, from: undefined }, folder));
      else this.#present.set(object.key, object);
    }
    return planned;
  }

  /** False for what is left out. Throws as `add` does. */
  isSelected(key: string): boolean {
    return this.#select(key) !== undefined;
  }

  #skip(key: string): void {
    if (this.#committedKeys.has(key)) return;
    this.skipped.filtered++;
    if (this.filtered.length < NAMED) this.filtered.push(key);
  }

  /** After the last page: the outputs that are left to plan. */
  end(): PlannedOutput[] {
    const planned = this.pending().flatMap((piece) => this.#packer.add(piece, folderOf(piece, this.#select)));
    return [...planned, ...this.#packer.end()];
  }

  /** After the last page: what `end` will pack, in key order. */
  pending(): Piece[] {
    this.#pending ??= this.#committed === undefined ? [] : this.#reconcile(this.#committed);
    return this.#pending;
  }

  /** Whether nothing is committed: then outputs are planned while the listing comes. */
  get isFirst(): boolean {
    return this.#committed === undefined;
  }

  /** Outputs that stay as they are; known once `end` was called. */
  get sealed(): CommittedOutput[] {
    return this.#sealed;
  }

  /** What is new, and what outputs that must be rebuilt held, in key order. */
  #reconcile({ manifest, sources }: Rollup): Piece[] {
    const present = this.#present;
    const unsealed = unsealedOutputs({ manifest, sources }, present, this.#repack);
    this.#sealed = manifest.outputs.filter((output) => !unsealed.has(output.key));
    const pieces: Piece[] = [];
    for (const source of sources) {
      const now = present.get(source.key);
      if (!unsealed.has(source.output)) {
        present.delete(source.key);
      } else if (now === undefined || (isArchived(now) && isSame(now, source))) {
        present.delete(source.key);
        pieces.push({ source: asListed(source), from: originInOutput(source, unsealed) });
      }
    }
    for (const source of present.values()) pieces.push({ source, from: undefined });
    return pieces.sort((a, b) => compareKeys(a.source.key, b.source.key));
  }
}

export interface PlanInput extends PlannerInput {
  /** The source prefix, whole, in key order. */
  listed: ListedObject[];
}

/** Pure: the same listing, commit and settings give the same plan. */
export function planRollup({ listed, ...input }: PlanInput): Plan {
  const planner = new Planner(input);
  const planned = [...planner.add(listed), ...planner.end()];
  const { generation, sealed, skipped, filtered } = planner;
  return { generation, sealed, planned, skipped, filtered };
}

/** Outputs that hold a source which is in raw with other content now; on a repack, all of them. */
function unsealedOutputs(
  { manifest, sources }: Pick<Rollup, 'manifest' | 'sources'>,
  present: Map<string, ListedObject>,
  repack: boolean,
): Map<string, CommittedOutput> {
  const changed = new Set<string>();
  for (const source of sources) {
    const now = present.get(source.key);
    if (repack || (now !== undefined && !isSame(now, source))) changed.add(source.output);
  }
  const outputs = manifest.outputs.filter((output) => changed.has(output.key));
  return new Map(outputs.map((output) => [output.key, output]));
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

function isSame(now: ListedObject, committed: CommittedSource): boolean {
  return now.etag === committed.etag && now.size === committed.size;
}

export function asListed({ key, size, etag, lastModified }: CommittedSource): ListedObject {
  return { key, size, etag, lastModified };
}

/** Where a committed source is, as a plan says it; `outputs` has the output that holds it. */
export function originInOutput(
  source: Pick<CommittedSource, 'output' | 'offset' | 'length' | 'encoding'>,
  outputs: ReadonlyMap<string, CommittedOutput>,
): Origin {
  const { etag = '', size = 0, codec, decoded } = outputs.get(source.output) ?? {};
  const { output: key, offset, length, encoding } = source;
  return {
    ...{ key, etag, offset, length, whole: size === length && codec === undefined },
    ...(codec === undefined ? {} : { coded: { codec, size, textSize: decoded?.size ?? size } }),
    ...(encoding === undefined ? {} : { encoding }),
  };
}

/**
 * Past every index that was ever committed, those of unsealed outputs too: a new output never has the key
 * of one that is about to be deleted.
 */
export function nextIndex(committed: Pick<Rollup, 'manifest'> | undefined): number {
  return (
    committed?.manifest.outputs.reduce((next, output) => Math.max(next, indexOf(output.key) + 1), 0) ?? 0
  );
}

/** `…/part-00007-3f2a9c1b7d4e.log` -> 7. */
export function indexOf(outputKey: string): number {
  return Number(/part-(\d+)-[^/]*$/.exec(outputKey)?.[1] ?? -1);
}

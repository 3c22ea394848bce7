import { RollupError } from '../../errors.ts';
import type { CommittedOutput, CommittedSource, Manifest, StoredSource } from '../model/manifest.ts';
import type { Origin, Piece } from '../model/output.ts';
import type { Pair } from '../model/side-by-side.ts';
import type { ListedObject } from '../model/store.ts';
import { CompressedList } from './compressed-list.ts';

// https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-class-intro.html#sc-glacier
const ARCHIVED = new Set(['GLACIER', 'DEEP_ARCHIVE']);

/**
 * True if the object has to be restored before it can be read: by what a HEAD said of it, or otherwise by its storage class.
 */
export function isArchived(object: ListedObject): boolean {
  if (object.archive !== undefined) return object.archive !== 'restored';
  return object.storageClass !== undefined && ARCHIVED.has(object.storageClass);
}

/**
 * A listed object that is not in the index of the current manifest as it is listed now. `onlyTimeDiffers`: its ETag and
 * size are those that were committed, and only its time is another.
 */
export type PendingObject = ListedObject & { onlyTimeDiffers?: true };

/**
 * Compares the listing of raw with the committed sources, key by key in key order. It holds what differs, compressed, and
 * one bit for each committed source. Once all was compared it is known which outputs are unsealed: those that hold a
 * source which was changed in place. A second pass over the committed sources then gives what has to be planned again.
 */
export class Reconciliation {
  /** Outputs, by key, whose sources are planned again. */
  readonly unsealed: Map<string, CommittedOutput>;
  /** In key order. */
  readonly #pending = new CompressedList<PendingObject>();
  /** Ordinals of committed sources that can be read in raw as they were committed. */
  readonly #unchanged = new BitSet();
  readonly #outputs: ReadonlyMap<string, CommittedOutput>;
  /** Listed objects that are not committed under their key. */
  readonly #late = { objects: 0, bytes: 0 };
  readonly #missing: ReadonlySet<string>;
  /** Keys of sources that are neither in raw nor in an output that is there, by the key of that output. */
  readonly #lost = new Map<string, string[]>();

  /**
   * @param unsealAll true to plan the sources of every output again, as a repack does
   * @param missing keys of outputs that are not there
   */
  constructor(
    { outputs }: Pick<Manifest, 'outputs'>,
    unsealAll: boolean,
    missing: ReadonlySet<string> = new Set(),
  ) {
    this.#outputs = new Map(outputs.map((output) => [output.key, output]));
    this.unsealed = new Map([...this.#outputs].filter(([key]) => unsealAll || missing.has(key)));
    this.#missing = missing;
  }

  /** The first pass: takes in one key. */
  compare(listed: ListedObject | undefined, committed: StoredSource | undefined): void {
    if (committed !== undefined && isUnreadable(listed, committed)) this.#noteLost(committed);
    if (listed === undefined) return;
    if (committed === undefined) {
      this.#late.objects++;
      this.#late.bytes += listed.size;
      this.#pending.push(listed);
    } else if (!isSame(listed, committed)) {
      const output = this.#outputs.get(committed.output);
      if (output === undefined) return;
      this.unsealed.set(output.key, output);
      this.#pending.push(listed);
    } else if (!isArchived(listed)) {
      // If its output is rebuilt it is read from raw, and the new index says the time that raw has now.
      if (listed.lastModified !== committed.lastModified)
        this.#pending.push({ ...listed, onlyTimeDiffers: true });
      else this.#unchanged.add(committed.ordinal);
    }
  }

  /** True if, once all was compared, there is something to plan. */
  get needsSecondPass(): boolean {
    return this.#late.objects > 0 || this.unsealed.size > 0;
  }

  /** Sources of the second pass, about: one that was changed counts with the size that is committed. */
  get secondPassTotals(): { objects: number; bytes: number } {
    const totals = { ...this.#late };
    for (const { sources, size } of this.unsealed.values()) {
      totals.objects += sources;
      totals.bytes += size;
    }
    return totals;
  }

  /**
   * The pending objects for the second pass, in key order.
   *
   * @param release true where this is the last time that they are read
   */
  *pendingObjects(release: boolean): Generator<PendingObject[]> {
    // Where no output is unsealed, the second pass reads no committed sources, and an object that is committed but for
    // its time would be taken for a new one.
    const skipCommitted = this.unsealed.size === 0;
    for (const batch of this.#pending.read(release)) {
      yield skipCommitted ? batch.filter(({ onlyTimeDiffers }) => onlyTimeDiffers !== true) : batch;
    }
  }

  /** Throws `OutputMissing` if a source can be read nowhere. */
  refuseLost(): void {
    for (const [output, sources] of this.#lost) throw lostWith(output, sources);
  }

  #noteLost({ key, output }: CommittedSource): void {
    if (!this.#missing.has(output)) return;
    const lost = this.#lost.get(output) ?? [];
    if (lost.length <= NAMED) lost.push(key);
    this.#lost.set(output, lost);
  }

  /** The second pass: the piece to plan under one key; undefined where there is none. */
  secondPassPiece([pending, committed]: Pair<PendingObject, StoredSource>): Piece | undefined {
    if (pending !== undefined) {
      const { onlyTimeDiffers, ...listed } = pending;
      if (onlyTimeDiffers === true && committed === undefined) return undefined;
      return this.pieceOf(listed, committed);
    }
    if (committed === undefined) return undefined;
    const isInRaw = this.#unchanged.has(committed.ordinal);
    return this.pieceOf(isInRaw ? asListed(committed) : undefined, committed);
  }

  /**
   * The piece to plan under one key; undefined where the source is in an output that stays. A source that has left raw, or
   * was archived there, is read from the output that holds it.
   */
  pieceOf(listed: ListedObject | undefined, committed: CommittedSource | undefined): Piece | undefined {
    if (committed === undefined) return listed && { source: listed, from: undefined };
    const output = this.unsealed.get(committed.output);
    if (output === undefined) return undefined;
    if (listed === undefined || isUnreadable(listed, committed)) {
      if (this.#missing.has(output.key)) throw lostWith(output.key, [committed.key]);
      return { source: asListed(committed), from: originInOutput(committed, output) };
    }
    return { source: listed, from: undefined };
  }
}

/** A set of integers from 0 on, one bit each; its memory grows with the largest. */
export class BitSet {
  #bytes = new Uint8Array(1024);

  add(n: number): void {
    const at = n >> 3;
    if (at >= this.#bytes.length) {
      const grown = new Uint8Array(Math.max(at + 1, 2 * this.#bytes.length));
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    this.#bytes[at] = (this.#bytes[at] ?? 0) | (1 << (n & 7));
  }

  has(n: number): boolean {
    return ((this.#bytes[n >> 3] ?? 0) & (1 << (n & 7))) !== 0;
  }
}

/** Sources that an error names, at most. */
const NAMED = 10;

function lostWith(output: string, sources: string[]): RollupError {
  const named = sources.slice(0, NAMED).join(', ');
  const more = sources.length > NAMED ? ' and more' : '';
  return new RollupError(
    'OutputMissing',
    `${output} is committed and not there any more, and raw does not have these of its sources, which are lost unless it is restored, from a version of the bucket or a copy: ${named}${more}. Restore it and run again.`,
    { key: output },
  );
}

/** True if a committed source cannot be read in raw: it left raw, or was archived there. */
function isUnreadable(listed: ListedObject | undefined, committed: CommittedSource): boolean {
  return listed === undefined || (isArchived(listed) && isSame(listed, committed));
}

/** True if an object is still, by ETag and size, the one that was committed. */
export function isSame(listed: ListedObject, committed: CommittedSource): boolean {
  return listed.etag === committed.etag && listed.size === committed.size;
}

/** A committed source as the listing showed it when it was rolled up. */
export function asListed({ key, size, etag, lastModified }: CommittedSource): ListedObject {
  return { key, size, etag, lastModified };
}

/** The place of a committed source in its output, for a plan that reads it from there. */
export function originInOutput(
  source: Pick<CommittedSource, 'output' | 'offset' | 'length' | 'size' | 'encoding' | 'header'>,
  { etag, size: outputSize, codec, decoded }: CommittedOutput,
): Origin {
  const { output: key, offset, length, encoding, header } = source;
  // An absent field is left out rather than undefined: plans are compared, and written, as JSON.
  return {
    key,
    etag,
    offset,
    length,
    whole: outputSize === length && codec === undefined,
    ...(codec === undefined
      ? {}
      : { coded: { codec, size: outputSize, textSize: decoded?.size ?? outputSize } }),
    ...(encoding === undefined ? {} : { encoding }),
    ...(header === undefined ? {} : { header }),
  };
}

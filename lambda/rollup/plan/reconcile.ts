import type { CommittedOutput, CommittedSource, Manifest, StoredSource } from '../model/manifest.ts';
import type { Origin, Piece } from '../model/output.ts';
import type { Pair } from '../model/side-by-side.ts';
import type { ListedObject } from '../model/store.ts';
import { Bits } from './bits.ts';
import { HeldList } from './compressed-list.ts';

// https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-class-intro.html#sc-glacier
const ARCHIVED = new Set(['GLACIER', 'DEEP_ARCHIVE']);

export function isArchived(object: ListedObject): boolean {
  return object.storageClass !== undefined && ARCHIVED.has(object.storageClass);
}

/** Something in raw that the index does not tell as it is now. `same`: what was committed, but for its time. */
export type Noted = ListedObject & { same?: true };

/**
 * Compares what is in raw with what is committed, key by key in key order, and holds no more of it than what differs,
 * compressed, and a bit a committed source. Afterwards it is known which outputs are unsealed: those of which a source was
 * changed in place. What they hold is then asked for in a second pass over what is committed.
 */
export class Reconciliation {
  /** Outputs whose sources are planned again. */
  readonly unsealed: Map<string, CommittedOutput>;
  /** What is in raw and was not committed, or not so. */
  readonly #noted = new HeldList<Noted>();
  /** By ordinal: what is in raw as it was committed, and can be read there. */
  readonly #inRaw = new Bits();
  readonly #outputs: ReadonlyMap<string, CommittedOutput>;
  readonly #late = { objects: 0, bytes: 0 };

  /** `all`: every output is unsealed. */
  constructor({ outputs }: Pick<Manifest, 'outputs'>, all: boolean) {
    this.#outputs = new Map(outputs.map((output) => [output.key, output]));
    this.unsealed = new Map(all ? this.#outputs : []);
  }

  compare(now: ListedObject | undefined, was: StoredSource | undefined): void {
    if (now === undefined) return;
    if (was === undefined) {
      this.#late.objects++;
      this.#late.bytes += now.size;
      this.#noted.push(now);
    } else if (!isSame(now, was)) {
      const output = this.#outputs.get(was.output);
      if (output === undefined) return;
      this.unsealed.set(output.key, output);
      this.#noted.push(now);
    } else if (!isArchived(now)) {
      // What it came to be read from says so of its time.
      if (now.lastModified !== was.lastModified) this.#noted.push({ ...now, same: true });
      else this.#inRaw.add(was.ordinal);
    }
  }

  /** Of what is to be planned, near enough: what changed counts as it was committed. */
  get extent(): { objects: number; bytes: number } {
    const extent = { ...this.#late };
    for (const { sources, size } of this.unsealed.values()) {
      extent.objects += sources;
      extent.bytes += size;
    }
    return extent;
  }

  /** Whether there is something to be planned. */
  get hasWork(): boolean {
    return this.#late.objects > 0 || this.unsealed.size > 0;
  }

  /** What was noted, in key order. `last`: for the last time. */
  *noted(last: boolean): Generator<Noted[]> {
    // Where no output is unsealed there is no committed source to recognise one that is the same by.
    const skip = this.unsealed.size === 0;
    for (const batch of this.#noted.read(last)) {
      yield skip ? batch.filter(({ same }) => same !== true) : batch;
    }
  }

  /** The second pass: what is to be planned under a key, given what was noted of it and what is committed. */
  pieceAgain([noted, was]: Pair<Noted, StoredSource>): Piece | undefined {
    if (noted !== undefined) {
      const { same, ...now } = noted;
      return same === undefined || was !== undefined ? this.piece(now, was) : undefined;
    }
    if (was === undefined) return undefined;
    return this.piece(this.#inRaw.has(was.ordinal) ? asListed(was) : undefined, was);
  }

  /** What is to be planned under a key; undefined where it is in an output that stays. */
  piece(now: ListedObject | undefined, was: CommittedSource | undefined): Piece | undefined {
    if (was === undefined) return now && { source: now, from: undefined };
    const output = this.unsealed.get(was.output);
    if (output === undefined) return undefined;
    if (now === undefined || (isArchived(now) && isSame(now, was)))
      return { source: asListed(was), from: originInOutput(was, output) };
    return { source: now, from: undefined };
  }
}

function isSame(now: ListedObject, committed: CommittedSource): boolean {
  return now.etag === committed.etag && now.size === committed.size;
}

export function asListed({ key, size, etag, lastModified }: CommittedSource): ListedObject {
  return { key, size, etag, lastModified };
}

/** Where a committed source is, as a plan says it. */
export function originInOutput(
  source: Pick<CommittedSource, 'output' | 'offset' | 'length' | 'size' | 'encoding'>,
  { etag, size, codec, decoded }: CommittedOutput,
): Origin {
  const { output: key, offset, length, encoding } = source;
  return {
    ...{ key, etag, offset, length, whole: size === length && codec === undefined },
    ...(codec === undefined ? {} : { coded: { codec, size, textSize: decoded?.size ?? size } }),
    ...(encoding === undefined ? {} : { encoding }),
  };
}

import { RollupError, hasCode } from '../../errors.ts';
import { MiB } from '../../size.ts';
import type { Location } from '../model/location.ts';
import { MANIFEST_NAME, type Manifest, type SourcesReader, type StoredSource } from '../model/manifest.ts';
import type { Found, Store } from '../model/store.ts';
import { SortedRuns } from './sorted-runs.ts';
import { readLines, readSources } from './source-lines.ts';

/** An index of no more bytes is kept as it was read at first; a larger one is read in ranges, each time anew. */
export const MOST_KEPT = 4 * MiB;
const RANGE = 2 * MiB;

/**
 * The sources of a commit, read as a stream as often as they are asked for; the index that tells them has to be the same
 * each time. In memory is a range of it, and what is decoded of that. Readers throw `BadManifest`, also where the index
 * has gone since: see `isIndexGone`.
 */
export class CommittedSources implements SourcesReader {
  readonly #store: Store;
  readonly #destination: Location;
  readonly #index: Manifest['sources'];
  readonly #found: Found;
  #runs: SortedRuns | undefined;

  constructor(store: Store, destination: Location, index: Manifest['sources'], found: Found) {
    this.#store = store;
    this.#destination = destination;
    this.#index = index;
    this.#found = found;
  }

  get etag(): string {
    return this.#found.etag;
  }

  /** GETs that it takes to read the index once more. */
  get requests(): number {
    return this.#found.body === undefined ? Math.ceil(this.#found.size / RANGE) : 0;
  }

  /** As the index has them: by output and offset. */
  stored(signal?: AbortSignal): AsyncGenerator<StoredSource[]> {
    return readSources(this.#chunks(signal), this.#index);
  }

  /**
   * In key order. Where that is the order of the index, as it is of one kind that was committed at once, or nearly so, it is
   * read as it comes; some of it is held compressed otherwise (see `SortedRuns`), until it was read for the `last` time.
   */
  async *inKeyOrder(options: { signal?: AbortSignal; last: boolean }): AsyncGenerator<StoredSource[]> {
    const { signal, last } = options;
    const runs =
      this.#runs ?? (await SortedRuns.read(readLines(this.#chunks(signal), this.#index), this.#index.key));
    this.#runs = last ? undefined : runs;
    yield* runs.merge(this.stored(signal), last);
  }

  async *#chunks(signal = new AbortController().signal): AsyncGenerator<Buffer> {
    const { etag, size, body } = this.#found;
    if (body !== undefined) {
      yield body;
      return;
    }
    const at = { bucket: this.#destination.bucket, key: this.#index.key, etag };
    const into = Buffer.allocUnsafeSlow(Math.min(RANGE, size));
    for (let offset = 0; offset < size; offset += RANGE) {
      const bytes = into.subarray(0, Math.min(RANGE, size - offset));
      const range = { offset, length: bytes.length };
      await this.#store.read({ ...at, range }, bytes, signal).catch((error: unknown) => {
        throw hasCode(error, 'SourceVanished', 'SourceChanged') ? this.#gone(error) : error;
      });
      yield bytes;
    }
  }

  #gone(cause: unknown): RollupError {
    const manifest = this.#destination.prefix + MANIFEST_NAME;
    return indexGone(this.#index.key, manifest, cause);
  }
}

/** `BadManifest`. `cause`: what was seen where the index was there before. */
export function indexGone(key: string, manifest: string, cause?: unknown): RollupError {
  return new RollupError('BadManifest', `${key}, which ${manifest} names, is not there.`, { key, cause });
}

/** The index was there and is not any more: another run has committed since and deleted it, or somebody has by hand. */
export function isIndexGone(error: unknown): boolean {
  return (
    error instanceof RollupError &&
    error.code === 'BadManifest' &&
    hasCode(error.cause, 'SourceVanished', 'SourceChanged')
  );
}

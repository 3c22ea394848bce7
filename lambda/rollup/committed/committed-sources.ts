import { RollupError, hasCode } from '../../errors.ts';
import { MiB } from '../../size.ts';
import type { Location } from '../model/location.ts';
import { MANIFEST_NAME, type Manifest, type SourcesReader, type StoredSource } from '../model/manifest.ts';
import type { Found, Store } from '../model/store.ts';
import { SortedRuns } from './sorted-runs.ts';
import { readLines, readSources } from './source-lines.ts';

/** Bytes of an index that is kept in memory, at most. A larger one is read in ranges, again each time. */
export const MOST_KEPT = 4 * MiB;
/** Bytes of a range of an index. */
const RANGE = 2 * MiB;

/**
 * The sources of a commit, read from its index as a stream, as often as needed. The index has to be the same object each
 * time. One range of it is in memory, and its decoded lines. Reading throws `BadManifest`, also if the index was deleted
 * meanwhile: see `isIndexGone`.
 */
export class CommittedSources implements SourcesReader {
  readonly #store: Store;
  readonly #destination: Location;
  readonly #index: Manifest['sources'];
  readonly #found: Found;
  #runs: SortedRuns | undefined;

  /** @param found the index: with its bytes, unless it has more than `MOST_KEPT` */
  constructor(store: Store, destination: Location, index: Manifest['sources'], found: Found) {
    this.#store = store;
    this.#destination = destination;
    this.#index = index;
    this.#found = found;
  }

  get etag(): string {
    return this.#found.etag;
  }

  get requests(): number {
    return this.#found.body === undefined ? Math.ceil(this.#found.size / RANGE) : 0;
  }

  stored(signal?: AbortSignal): AsyncGenerator<StoredSource[]> {
    return readSources(this.#chunks(signal), this.#index);
  }

  /**
   * The sources in key order, in batches. An index of one kind that was committed at once is in key order: it is read as a
   * stream. Of any other, the sources that are out of order are held compressed (see `SortedRuns`), until they are read for
   * the `last` time.
   */
  async *inKeyOrder(options: { signal?: AbortSignal; last: boolean }): AsyncGenerator<StoredSource[]> {
    const { signal, last } = options;
    const runs =
      this.#runs ?? (await SortedRuns.read(readLines(this.#chunks(signal), this.#index), this.#index.key));
    this.#runs = last ? undefined : runs;
    yield* runs.merge(this.stored(signal), last);
  }

  /** The compressed bytes of the index. The memory of a chunk is used again for the next one. */
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

/**
 * The `BadManifest` for an index that does not exist.
 *
 * @param manifest key of the manifest that names it
 * @param cause the failure of a read, if the index existed before
 */
export function indexGone(key: string, manifest: string, cause?: unknown): RollupError {
  return new RollupError('BadManifest', `${key}, which ${manifest} names, is not there.`, { key, cause });
}

/**
 * True if an error means that the index was deleted while it was read: by another run that has committed since, or by hand.
 */
export function isIndexGone(error: unknown): boolean {
  return (
    error instanceof RollupError &&
    error.code === 'BadManifest' &&
    hasCode(error.cause, 'SourceVanished', 'SourceChanged')
  );
}

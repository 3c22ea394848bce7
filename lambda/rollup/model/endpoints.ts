import type { Location } from './location.ts';
import type { Piece } from './output.ts';
import type { ReadFrom, Store } from './store.ts';

/** The stores that a rollup reads from and writes to. */
export interface Endpoints {
  /** The store of the destination: outputs and manifest. */
  store: Store;
  /**
   * The store of the sources, if they are reached another way: in another region, or with other credentials.
   *
   * @defaultValue `store`
   */
  raw?: Store | undefined;
}

/** A context whose stores end with its signal: see `Store.until`. */
export function untilStopped<C extends Endpoints & { signal: AbortSignal }>(context: C): C {
  const { store, raw, signal } = context;
  return { ...context, store: store.until(signal), ...(raw && { raw: raw.until(signal) }) };
}

/** The store that sources are read from. */
export function sourceStore({ store, raw = store }: Endpoints): Store {
  return raw;
}

/** An object, or a range of one, in its store. */
export interface StoredBytes {
  store: Store;
  from: ReadFrom;
}

/**
 * The bytes of a source, in their order: an object in raw, or a range of a committed output. There are two ranges where the
 * header of the source was left out of the output: that of the header comes first.
 */
export function originsOf(
  piece: Piece,
  { source, destination, ...endpoints }: Endpoints & { source: Location; destination: Location },
): StoredBytes[] {
  const { store } = endpoints;
  if (piece.from === undefined) {
    const { key, etag } = piece.source;
    return [{ store: sourceStore(endpoints), from: { bucket: source.bucket, key, etag } }];
  }
  const { key, etag, whole, offset, length, header = 0 } = piece.from;
  const output = { bucket: destination.bucket, key, etag };
  // S3 copies no range of an object of 5 MiB or less, and copies a whole object in one request.
  if (whole) return [{ store, from: output }];
  const own: StoredBytes = { store, from: { ...output, range: { offset, length } } };
  if (header === 0) return [own];
  const first: StoredBytes = { store, from: { ...output, range: { offset: 0, length: header } } };
  return length === 0 ? [first] : [first, own];
}

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

/** The store that sources are read from. */
export function sourceStore({ store, raw = store }: Endpoints): Store {
  return raw;
}

/** The object, and the range of it, that holds the bytes of a source: an object in raw, or a committed output. */
export function originOf(
  piece: Piece,
  { source, destination, ...endpoints }: Endpoints & { source: Location; destination: Location },
): { store: Store; from: ReadFrom } {
  const { store } = endpoints;
  if (piece.from === undefined) {
    const { key, etag } = piece.source;
    return { store: sourceStore(endpoints), from: { bucket: source.bucket, key, etag } };
  }
  const { key, etag, whole, offset, length } = piece.from;
  const output = { bucket: destination.bucket, key, etag };
  // S3 copies no range of an object of 5 MiB or less, and copies a whole object in one request.
  if (whole) return { store, from: output };
  return { store, from: { ...output, range: { offset, length } } };
}

import type { Location } from './location.ts';
import { type Piece } from './output.ts';
import type { ReadFrom, Store } from './store.ts';

/** The stores of a rollup. */
export interface Endpoints {
  /** Where outputs, and what is committed, are. */
  store: Store;
  /** Where sources are, if that is reached another way: in another region, or with other credentials. */
  raw?: Store | undefined;
}

export function sourceStore({ store, raw = store }: Endpoints): Store {
  return raw;
}

/** Where the bytes of a source are: in raw, or in a committed output. */
export function originOf(
  piece: Piece,
  { source, destination, ...sides }: Endpoints & { source: Location; destination: Location },
): { store: Store; from: ReadFrom } {
  const { key, etag } = piece.source;
  if (piece.from === undefined)
    return { store: sourceStore(sides), from: { bucket: source.bucket, key, etag } };
  const { store } = sides;
  const whole = { bucket: destination.bucket, key: piece.from.key, etag: piece.from.etag };
  // S3 copies no range of an object of 5 MiB or less, and copies what is whole in one request.
  return piece.from.whole
    ? { store, from: whole }
    : { store, from: { ...whole, range: { offset: piece.from.offset, length: piece.from.length } } };
}

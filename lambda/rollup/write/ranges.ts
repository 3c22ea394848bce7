import { type Sides, originOf } from '../model/endpoints.ts';
import type { Location } from '../model/location.ts';
import { type Piece, lengthOf } from '../model/output.ts';
import type { Landed, ReadFrom, Store } from '../model/store.ts';
import type { Downloads } from './download-queue.ts';

/** Where sources are, and what is committed. */
export interface Places extends Sides {
  source: Location;
  destination: Location;
}

/** One download: an object whole, or a range of one. */
export interface Reading {
  store: Store;
  from: ReadFrom;
  length: number;
}

/** Its bytes, under the limit of all downloads. */
export function download(
  downloads: Downloads,
  { store, from }: Reading,
  into: Buffer,
  signal: AbortSignal,
): Promise<Landed> {
  return downloads.one(() => {
    signal.throwIfAborted();
    return store.read(from, into, signal);
  });
}

/** The downloads of a source's bytes, none of them larger than `most`. */
export function readingsOf(piece: Piece, places: Places, most: number): Reading[] {
  const { store, from: origin } = originOf(piece, places);
  const size = lengthOf(piece);
  if (size <= most) return size === 0 ? [] : [{ store, from: origin, length: size }];
  const first = origin.range?.offset ?? 0;
  return Array.from({ length: Math.ceil(size / most) }, (_, i) => {
    const length = Math.min(most, size - i * most);
    return { store, from: { ...origin, range: { offset: first + i * most, length } }, length };
  });
}

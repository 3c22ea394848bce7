import { type Endpoints, originOf } from '../model/endpoints.ts';
import type { Location } from '../model/location.ts';
import { type Piece, lengthOf } from '../model/output.ts';
import type { ReadResult, ReadFrom, Store } from '../model/store.ts';
import type { DownloadQueue } from './download-queue.ts';

/** Where sources are, and what is committed. */
export interface Locations extends Endpoints {
  source: Location;
  destination: Location;
}

/** One download: an object whole, or a range of one. */
export interface SourceRange {
  store: Store;
  from: ReadFrom;
  length: number;
}

/** Its bytes, under the limit of all downloads. */
export function download(
  downloads: DownloadQueue,
  { store, from }: SourceRange,
  into: Buffer,
  signal: AbortSignal,
): Promise<ReadResult> {
  return downloads.one(() => {
    signal.throwIfAborted();
    return store.read(from, into, signal);
  });
}

/** The downloads of a source's bytes, none of them larger than `most`. */
export function rangesOf(piece: Piece, places: Locations, most: number): SourceRange[] {
  const { store, from: origin } = originOf(piece, places);
  const size = lengthOf(piece);
  if (size <= most) return size === 0 ? [] : [{ store, from: origin, length: size }];
  const first = origin.range?.offset ?? 0;
  return Array.from({ length: Math.ceil(size / most) }, (_, i) => {
    const length = Math.min(most, size - i * most);
    return { store, from: { ...origin, range: { offset: first + i * most, length } }, length };
  });
}

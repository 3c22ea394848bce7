import { type Endpoints, originsOf } from '../model/endpoints.ts';
import type { Location } from '../model/location.ts';
import { type Piece, lengthOf } from '../model/output.ts';
import type { ReadResult, ReadFrom, Store } from '../model/store.ts';
import type { DownloadQueue } from './download-queue.ts';

/** The stores of a rollup, with the prefix of its sources and that of its outputs. */
export interface Locations extends Endpoints {
  source: Location;
  destination: Location;
}

/** One download: an object whole, or a range of one. */
export interface SourceRange {
  store: Store;
  from: ReadFrom;
  /** In bytes. */
  length: number;
}

/** Downloads a range into a buffer of its length, under the limit of all downloads. Throws as `Store.read` does. */
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

/** Splits a source into downloads of at most `maxLength` bytes each; none for an empty one. */
export function rangesOf(piece: Piece, locations: Locations, maxLength: number): SourceRange[] {
  return originsOf(piece, locations).flatMap(({ store, from: origin }) => {
    const size = origin.range?.length ?? lengthOf(piece);
    if (size <= maxLength) return size === 0 ? [] : [{ store, from: origin, length: size }];
    const first = origin.range?.offset ?? 0;
    return Array.from({ length: Math.ceil(size / maxLength) }, (_, i) => {
      const length = Math.min(maxLength, size - i * maxLength);
      return { store, from: { ...origin, range: { offset: first + i * maxLength, length } }, length };
    });
  });
}

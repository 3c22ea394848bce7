import { RollupError } from '../../errors.ts';
import { isOurs } from '../commit/cleanup.ts';
import { type Location, asFolder, formatLocation } from '../model/location.ts';
import { MANIFEST_NAME, type Rollup, namedKeys } from '../model/manifest.ts';
import type { Store } from '../model/store.ts';
import { CommittedSources, MOST_KEPT, indexGone, isIndexGone } from './committed-sources.ts';
import { readManifest } from './read-manifest.ts';

/**
 * Reads the current commit of a destination: its manifest, and its index of sources as far as that is small.
 *
 * @param source if given, the commit must be of this source, or of the folder that it is written without its slash
 * @returns undefined if nothing is committed
 * @throws RollupError `BadManifest`, `ManifestVersion`, and `ManifestOfAnotherSource` if it is of another source and not
 *   empty
 */
export async function readCommitted(
  store: Store,
  destination: Location,
  source?: Location,
): Promise<Rollup | undefined> {
  const { bucket } = destination;
  const key = destination.prefix + MANIFEST_NAME;
  const found = await readManifest(store, destination);
  if (found === undefined) return undefined;
  const { manifest, etag, metadata } = found;
  // An empty commit may be replaced: a source that was mistyped once must not block the right one.
  const isOfAnother = source !== undefined && !isSourceOf(manifest.source, source);
  if (isOfAnother && manifest.totals.objects > 0) throw ofAnotherSource(manifest.source, source, destination);
  const elsewhere = namedKeys(manifest).find((named) => !isOurs(named, destination));
  if (elsewhere !== undefined) {
    // A manifest that was copied here must not lead to deletes in the destination that it was copied from.
    throw new RollupError('BadManifest', `${key} names ${elsewhere}, which is no output beside it.`, { key });
  }
  const index = await store.getBounded({ bucket, key: manifest.sources.key }, MOST_KEPT);
  if (index !== undefined) {
    const sources = new CommittedSources(store, destination, manifest.sources, index);
    return { manifest, etag, metadata, sources };
  }
  // If another run committed in between, it has deleted the index, which only the old manifest names.
  if (await isReplaced(store, destination, etag)) return readCommitted(store, destination, source);
  throw indexGone(manifest.sources.key, key);
}

/** True if a manifest's `source` is this source, or the folder of it: earlier releases committed `s3://b/raw/08` so. */
export function isSourceOf(committed: string, source: Location): boolean {
  return committed === formatLocation(source) || committed === formatLocation(asFolder(source));
}

/** The error of a source whose destination has the rollup of another one. `why` says what the difference is. */
export function ofAnotherSource(
  committed: string,
  source: Location,
  destination: Location,
  why?: string,
): RollupError {
  const key = destination.prefix + MANIFEST_NAME;
  const advice =
    why ??
    `Give every source a destination of its own; if that rollup was a mistake, delete what is under ${formatLocation(destination)} first`;
  return new RollupError(
    'ManifestOfAnotherSource',
    `${key} is the rollup of ${committed}, not of ${formatLocation(source)}. ${advice}.`,
    { key },
  );
}

/** True if the current manifest has another ETag, or there is none. */
async function isReplaced(store: Store, destination: Location, etag: string): Promise<boolean> {
  return (await readManifest(store, destination))?.etag !== etag;
}

/**
 * Reads the current commit and calls `use` with it. Both are repeated if `use` fails because another run committed meanwhile
 * and deleted the index that was being read.
 *
 * @param source if given, the commit must be of this source, or of the folder that it is written without its slash
 * @param use is called with undefined if nothing is committed
 * @returns the result of `use`
 * @throws RollupError `BadManifest`, `ManifestVersion`, `ManifestOfAnotherSource`; and what `use` throws
 */
export async function withCommitted<T>(
  store: Store,
  destination: Location,
  source: Location | undefined,
  use: (rollup: Rollup | undefined) => Promise<T>,
): Promise<T> {
  const rollup = await readCommitted(store, destination, source);
  try {
    return await use(rollup);
  } catch (error) {
    if (rollup === undefined || !(await isSuperseded(store, destination, rollup, error))) throw error;
  }
  return withCommitted(store, destination, source, use);
}

/** True if an error means that another run has replaced this commit since it was read. */
export async function isSuperseded(
  store: Store,
  destination: Location,
  { etag }: Pick<Rollup, 'etag'>,
  error: unknown,
): Promise<boolean> {
  return isIndexGone(error) && (await isReplaced(store, destination, etag));
}

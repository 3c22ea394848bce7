import { RollupError } from '../../errors.ts';
import { isOurs } from '../commit/cleanup.ts';
import { CommittedSources, MOST_KEPT, indexGone, isIndexGone } from './committed-sources.ts';
import { type Location, formatLocation } from '../model/location.ts';
import { MANIFEST_NAME, type Rollup, namedKeys } from '../model/manifest.ts';
import { readManifest } from './read-manifest.ts';
import type { Store } from '../model/store.ts';

/**
 * What is committed under a destination; undefined where nothing is. Throws `BadManifest`, `ManifestVersion`,
 * and `ManifestOfAnotherSource` where it is not a rollup of this source.
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
  const { manifest, etag } = found;
  // An empty one is no loss: a prefix that was mistyped once must not stand in the way of the right one.
  const another = source !== undefined && manifest.source !== formatLocation(source);
  if (another && manifest.totals.objects > 0) {
    throw new RollupError(
      'ManifestOfAnotherSource',
      `${key} is the rollup of ${manifest.source}, not of ${formatLocation(source)}. Give every source a destination of its own; if that rollup was a mistake, delete what is under ${formatLocation(destination)} first.`,
      { key },
    );
  }
  const elsewhere = namedKeys(manifest).find((named) => !isOurs(named, destination));
  if (elsewhere !== undefined) {
    // A manifest that was copied here must not lead to deletes where it came from.
    throw new RollupError('BadManifest', `${key} names ${elsewhere}, which is no output beside it.`, { key });
  }
  const index = await store.getBounded({ bucket, key: manifest.sources.key }, MOST_KEPT);
  if (index !== undefined) {
    return { manifest, etag, sources: new CommittedSources(store, destination, manifest.sources, index) };
  }
  // Another run committed in between and deleted the index that only the old manifest names.
  if (await isReplaced(store, destination, etag)) return readCommitted(store, destination, source);
  throw indexGone(manifest.sources.key, key);
}

/** Whether another manifest stands than the one with this ETag, or none. */
async function isReplaced(store: Store, destination: Location, etag: string): Promise<boolean> {
  return (await readManifest(store, destination))?.etag !== etag;
}

/**
 * Does something with what is committed, and does it again where another run committed meanwhile and deleted the index
 * that was being read.
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

/** Whether an error means that another run has committed since this was read. */
export async function isSuperseded(
  store: Store,
  destination: Location,
  { etag }: Pick<Rollup, 'etag'>,
  error: unknown,
): Promise<boolean> {
  return isIndexGone(error) && (await isReplaced(store, destination, etag));
}

import { RollupError } from '../errors.ts';
import { isOurs } from './cleanup.ts';
import { type Location, formatLocation } from './location.ts';
import { MANIFEST_NAME, type Rollup, namedKeys, parseManifest, parseSources } from './manifest.ts';
import type { Store } from './store.ts';

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
  const found = await store.getIfPresent({ bucket, key });
  if (found === undefined) return undefined;
  const manifest = parseManifest(found.body, key);
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
  const index = await store.getIfPresent({ bucket, key: manifest.sources.key });
  if (index !== undefined) {
    return { manifest, etag: found.etag, sources: await parseSources(index.body, manifest) };
  }
  const now = await store.getIfPresent({ bucket, key });
  // Another run committed in between and deleted the index that only the old manifest names.
  if (now?.etag !== found.etag) return readCommitted(store, destination, source);
  throw new RollupError('BadManifest', `${manifest.sources.key}, which ${key} names, is not there.`, {
    key: manifest.sources.key,
  });
}

import type { Location } from '../model/location.ts';
import { MANIFEST_NAME, MOST_MANIFEST, type Rollup, badManifest, parseManifest } from '../model/manifest.ts';
import type { Store } from '../model/store.ts';

/**
 * Reads the current manifest of a destination. An object that is too large for a manifest of this program is not read.
 *
 * @returns the manifest, its ETag, its bytes and its user metadata; undefined if there is none
 * @throws RollupError `BadManifest`, `ManifestVersion`
 */
export async function readManifest(
  store: Store,
  destination: Location,
): Promise<(Pick<Rollup, 'manifest' | 'etag' | 'metadata'> & { body: Buffer }) | undefined> {
  const { bucket, prefix } = destination;
  const key = prefix + MANIFEST_NAME;
  const found = await store.getBounded({ bucket, key }, MOST_MANIFEST);
  if (found === undefined) return undefined;
  const { body, etag, size, metadata } = found;
  if (body === undefined)
    throw badManifest(key, `it has ${size} bytes, and none has more than ${MOST_MANIFEST}`);
  return { manifest: parseManifest(body, key), etag, body, metadata };
}

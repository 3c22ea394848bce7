import { hasCode } from '../../errors.ts';
import type { Location } from '../model/location.ts';
import {
  MANIFEST_NAME,
  type Manifest,
  type Rollup,
  formatManifest,
  laterThan,
  namedKeys,
  versionOf,
} from '../model/manifest.ts';
import { readManifest } from '../committed/read-manifest.ts';
import { ownerOf } from '../plan/pack.ts';
import { isPlanFile } from '../fan-out/plan-file.ts';
import { sidecarKeyOf } from '../codec/sidecar.ts';
import type { ListedObject, OpenUpload, Store } from '../model/store.ts';

/*
 * Deletes objects and uploads in the destination, by the rules of docs/decisions/0001-keys-are-bound-to-a-commit.md: an output's key is bound
 * to the commit that it was planned from. Once that commit has been replaced, a run that planned from it can no longer
 * commit, and a run that plans from the new one wants other keys; so the objects that only the old one leads to may go.
 */

/** Objects and uploads that are younger stay: a run that is still going may have begun them. */
const SWEEP_AGE_MS = 60 * 60 * 1000;

/** Names that this program gives to objects directly under the destination. */
const OUR_NAME =
  /^(part-\d{5,}-[0-9a-f]{12}(\.[a-z0-9]+)*|_frames\/part-\d{5,}-[0-9a-f]{12}(\.[a-z0-9]+)*\.json\.gz|_sources-[0-9a-f]{12}\.jsonl\.gz)$/;
/** Names of outputs in folders. They have an owner in them, because another rollup may lie in the same folder. */
const NAME_IN_FOLDER = /\/part-\d{5,}-[0-9a-f]{12}-([0-9a-f]{8})(\.[a-z0-9]+)*$/;

/** True of a key that this program gives to an object of a rollup under the destination. */
export function isOurs(key: string, destination: Location): boolean {
  const { prefix } = destination;
  if (!key.startsWith(prefix)) return false;
  const name = key.slice(prefix.length);
  const owner = NAME_IN_FOLDER.exec(name)?.[1];
  return owner === undefined ? OUR_NAME.test(name) || isPlanFile(name) : owner === ownerOf(destination);
}

/** The keys that a manifest names. */
function namedBy(manifest: Manifest | undefined): Set<string> {
  if (manifest === undefined) return new Set();
  return new Set(namedKeys(manifest));
}

/** Keys that one DeleteObjects request takes: https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html */
const KEYS_PER_DELETE = 1000;

/**
 * Deletes those of the keys that the current manifest does not name, which is read before every request. Where there is
 * none, because it was deleted by hand, a run may just be planning from nothing again and count on any key that was ever
 * planned so: then nothing is deleted.
 *
 * @returns the keys that were deleted
 */
export async function deleteUnnamed(store: Store, destination: Location, keys: string[]): Promise<string[]> {
  const { bucket } = destination;
  const deleted: string[] = [];
  for (let at = 0; at < keys.length; at += KEYS_PER_DELETE) {
    const current = await readManifest(store, destination);
    if (current === undefined) break;
    const kept = namedBy(current.manifest);
    const batch = keys.slice(at, at + KEYS_PER_DELETE).filter((candidate) => !kept.has(candidate));
    await store.delete(bucket, batch);
    deleted.push(...batch);
  }
  return deleted;
}

/**
 * Deletes, after a commit, the objects that the manifest before named and this one does not, and the sidecars of the new
 * outputs, which the index of sources makes superfluous.
 */
export async function deleteReplaced(
  store: Store,
  destination: Location,
  previous: Rollup | undefined,
  manifest: Manifest,
): Promise<void> {
  const kept = namedBy(manifest);
  const before = namedBy(previous?.manifest);
  const replaced = [...before].filter((key) => !kept.has(key));
  const sidecars = manifest.outputs
    .filter(({ key, codec }) => codec !== undefined && !before.has(key))
    .map(({ key }) => sidecarKeyOf(key, destination));
  await deleteUnnamed(store, destination, [...replaced, ...sidecars]);
}

/** Those of the uploads whose keys this program gives to objects of this rollup. */
export function ourUploads(uploads: OpenUpload[], destination: Location): OpenUpload[] {
  return uploads.filter(({ key }) => isOurs(key, destination));
}

/**
 * Aborts uploads that were begun by plans from a commit that is replaced now. A run that is still at work on one gets
 * `NoSuchUpload`, and plans again.
 */
export async function abortUploads(store: Store, uploads: OpenUpload[]): Promise<void> {
  for (const upload of uploads) await store.abortUpload(upload);
}

/** Those of the open uploads that runs of this rollup began more than an hour before the listing. */
export function leftoverUploads(
  uploads: OpenUpload[],
  destination: Location,
  listingBegan: Date,
): OpenUpload[] {
  const before = listingBegan.getTime() - SWEEP_AGE_MS;
  return ourUploads(uploads, destination).filter(({ initiated }) => initiated.getTime() < before);
}

/** The keys that runs of this rollup wrote more than an hour before the listing, and that the manifest does not name. */
export function leftoverKeys(
  present: Iterable<ListedObject>,
  destination: Location,
  manifest: Manifest,
  listingBegan: Date,
): string[] {
  const kept = namedBy(manifest);
  const before = listingBegan.getTime() - SWEEP_AGE_MS;
  return [...present]
    .filter(
      ({ key, lastModified }) =>
        isOurs(key, destination) && !kept.has(key) && Date.parse(lastModified) < before,
    )
    .map(({ key }) => key);
}

/**
 * Replaces the manifest by itself, with the next generation: before a sweep without a commit, so that a slow run which
 * still counts on the leftovers that are about to be deleted can no longer commit; and to record `keepSource`.
 *
 * @returns the commit as it is now; undefined if another run committed first
 */
export async function replaceManifestByItself(
  store: Store,
  { bucket, prefix }: Location,
  rollup: Rollup,
  now: Date,
  { keepSource }: Pick<Manifest, 'keepSource'> = rollup.manifest,
): Promise<Rollup | undefined> {
  const { manifest, etag } = rollup;
  const { version, source, destination, settings, totals, outputs, sources } = manifest;
  const next: Manifest = {
    // The index is not read again: what made the version a later one may be in there.
    version: versionOf({ totals, keepSource }, { hasHeaders: version > 1 }),
    generation: manifest.generation + 1,
    ...{ source, destination, createdAt: laterThan(manifest, now), settings },
    // JSON leaves out what is undefined.
    ...{ keepSource, totals, outputs, sources },
  };
  try {
    const at = { bucket, key: prefix + MANIFEST_NAME };
    const put = await store.put(at, formatManifest(next), 'application/json', { etag });
    return { ...rollup, manifest: next, etag: put.etag };
  } catch (error) {
    if (hasCode(error, 'PreconditionFailed', 'Conflict')) return undefined;
    throw error;
  }
}

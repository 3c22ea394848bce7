import { hasCode } from '../../errors.ts';
import type { Location } from '../model/location.ts';
import {
  MANIFEST_NAME,
  type Manifest,
  type Rollup,
  formatManifest,
  laterThan,
  namedKeys,
} from '../model/manifest.ts';
import { readManifest } from '../committed/read-manifest.ts';
import { ownerOf } from '../plan/pack.ts';
import { isPlanFile } from '../fan-out/plan-file.ts';
import { sidecarKeyOf } from '../codec/sidecar.ts';
import type { ListedObject, OpenUpload, Store } from '../model/store.ts';

/**
 * Deleting, by the rules of docs/decisions/0001-keys-are-bound-to-a-commit.md: an output's key is bound to the
 * commit that it was planned from. Once that commit has been replaced, whoever planned from it can no longer commit,
 * and whoever plans from the new one wants other keys; so what only the old one could lead to may go.
 */

/** What a sweep leaves alone because a run that is still going may have written it. */
const SWEEP_AGE_MS = 60 * 60 * 1000;

/** Names of this program's making, directly under the destination. */
const OURS =
  /^(part-\d{5,}-[0-9a-f]{12}(\.[a-z0-9]+)*|_frames\/part-\d{5,}-[0-9a-f]{12}(\.[a-z0-9]+)*\.json\.gz|_sources-[0-9a-f]{12}\.jsonl\.gz)$/;
/** Those of outputs in folders: they say whose they are, because another rollup may lie there. */
const GROUPED = /\/part-\d{5,}-[0-9a-f]{12}-([0-9a-f]{8})(\.[a-z0-9]+)*$/;

export function isOurs(key: string, destination: Location): boolean {
  const { prefix } = destination;
  if (!key.startsWith(prefix)) return false;
  const name = key.slice(prefix.length);
  const owner = GROUPED.exec(name)?.[1];
  return owner === undefined ? OURS.test(name) || isPlanFile(name) : owner === ownerOf(destination);
}

function named(manifest: Manifest | undefined): Set<string> {
  if (manifest === undefined) return new Set();
  return new Set(namedKeys(manifest));
}

/** Keys that one DeleteObjects request takes: https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html */
const KEYS_PER_DELETE = 1000;

/**
 * Deletes those of the keys that the manifest does not name which stands at that moment. It is read before every
 * request: where none stands, because it was deleted by hand, a run may just be planning from nothing again and count
 * on any key that was ever planned so, and nothing is deleted. Returns what was deleted.
 */
export async function deleteUnnamed(store: Store, destination: Location, keys: string[]): Promise<string[]> {
  const { bucket } = destination;
  const deleted: string[] = [];
  for (let at = 0; at < keys.length; at += KEYS_PER_DELETE) {
    const standing = await readManifest(store, destination);
    if (standing === undefined) break;
    const kept = named(standing.manifest);
    const batch = keys.slice(at, at + KEYS_PER_DELETE).filter((candidate) => !kept.has(candidate));
    await store.delete(bucket, batch);
    deleted.push(...batch);
  }
  return deleted;
}

/** After a commit: deletes what the manifest before named and this one does not, and sidecars, which it makes superfluous. */
export async function deleteReplaced(
  store: Store,
  destination: Location,
  previous: Rollup | undefined,
  manifest: Manifest,
): Promise<void> {
  const kept = named(manifest);
  const before = named(previous?.manifest);
  const replaced = [...before].filter((key) => !kept.has(key));
  const sidecars = manifest.outputs
    .filter(({ key, codec }) => codec !== undefined && !before.has(key))
    .map(({ key }) => sidecarKeyOf(key, destination));
  await deleteUnnamed(store, destination, [...replaced, ...sidecars]);
}

export function ourUploads(uploads: OpenUpload[], destination: Location): OpenUpload[] {
  return uploads.filter(({ key }) => isOurs(key, destination));
}

/**
 * Ends uploads that were open before this run committed: they were planned from a commit that is replaced now.
 * A run that is still at work on one is told so by `NoSuchUpload`, and plans again.
 */
export async function abortReplaced(store: Store, uploads: OpenUpload[]): Promise<void> {
  for (const upload of uploads) await store.abortUpload(upload);
}

/** Uploads that were begun over an hour before the listing began and not ended. */
export function abandoned(uploads: OpenUpload[], destination: Location, listingBegan: Date): OpenUpload[] {
  const before = listingBegan.getTime() - SWEEP_AGE_MS;
  return ourUploads(uploads, destination).filter(({ initiated }) => initiated.getTime() < before);
}

/** What lies unnamed in the destination and was written over an hour before the listing began. */
export function sweepable(
  present: Iterable<ListedObject>,
  destination: Location,
  manifest: Manifest,
  listingBegan: Date,
): string[] {
  const kept = named(manifest);
  const before = listingBegan.getTime() - SWEEP_AGE_MS;
  return [...present]
    .filter(
      ({ key, lastModified }) =>
        isOurs(key, destination) && !kept.has(key) && Date.parse(lastModified) < before,
    )
    .map(({ key }) => key);
}

/**
 * Replaces the manifest by itself, a generation on: before a sweep without a commit, so that a slow run which still
 * counts on what is about to be swept can no longer commit. False where somebody else committed instead.
 */
export async function retire(
  store: Store,
  { bucket, prefix }: Location,
  rollup: Rollup,
  now: Date,
): Promise<boolean> {
  const { manifest, etag } = rollup;
  const next: Manifest = {
    ...manifest,
    generation: manifest.generation + 1,
    createdAt: laterThan(manifest, now),
  };
  try {
    const at = { bucket, key: prefix + MANIFEST_NAME };
    await store.put(at, formatManifest(next), 'application/json', { etag });
    return true;
  } catch (error) {
    if (hasCode(error, 'PreconditionFailed', 'Conflict')) return false;
    throw error;
  }
}

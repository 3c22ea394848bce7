import { RollupError, hasCode } from '../../errors.ts';
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
import { SOURCES_NAME } from './markers.ts';
import { ownerOf } from '../plan/pack.ts';
import { isPlanFile } from '../fan-out/plan-file.ts';
import { sidecarKeyOf } from '../codec/sidecar.ts';
import { DELETE_PROOF_NAME, type ListedObject, type OpenUpload, type Store } from '../model/store.ts';

/*
 * Deletes objects and uploads in the destination, by the rules of docs/decisions/0001-keys-are-bound-to-a-commit.md: an output's key is bound
 * to the commit that it was planned from. Once that commit has been replaced, a run that planned from it can no longer
 * commit, and a run that plans from the new one wants other keys; so the objects that only the old one leads to may go.
 */

/** Objects and uploads that are younger stay: a run that is still going may have begun them. */
const SWEEP_AGE_MS = 60 * 60 * 1000;

/** Names that this program gives to objects directly under the destination. */
const OUR_NAME =
  /^(part-\d{5,}-[0-9a-f]{12}(\.[a-z0-9]+)*|_frames\/part-\d{5,}-[0-9a-f]{12}(\.[a-z0-9]+)*\.json\.gz|_sources-[0-9a-f]{12}\.jsonl\.gz|_delete-proof-[0-9a-f]{12})$/;
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
 * planned so: then nothing is deleted. Nor is it where an earlier manifest stands than the one that the deletes follow
 * from: somebody put it back, and runs plan from it again. A request that fails does not keep those behind it from being
 * sent.
 *
 * @param after the manifest under which nobody can commit the keys any more; where it is undefined nothing is deleted
 * @returns the keys that were deleted
 * @throws RollupError the first failure of a request, after all were sent
 */
export async function deleteUnnamed(
  store: Store,
  destination: Location,
  keys: string[],
  after: Pick<Manifest, 'createdAt'> | undefined,
): Promise<string[]> {
  const { bucket } = destination;
  const deleted: string[] = [];
  // Somebody deleted the manifest by hand, and may put it back.
  if (after === undefined) return deleted;
  const failures = new Failures();
  for (let at = 0; at < keys.length; at += KEYS_PER_DELETE) {
    const current = await readManifest(store, destination);
    if (current === undefined || isEarlier(current.manifest, after)) break;
    const kept = namedBy(current.manifest);
    const batch = keys.slice(at, at + KEYS_PER_DELETE).filter((candidate) => !kept.has(candidate));
    if (await failures.note(store.delete(bucket, batch))) deleted.push(...batch);
  }
  failures.throwFirst();
  return deleted;
}

/**
 * Deletes, as `deleteUnnamed` does, what a run wrote that lost. Where S3 refuses that, by a policy or a legal hold, it is a
 * leftover, whose sweep tells of it: the run goes on to what it lost to.
 */
export async function deleteLosers(...what: Parameters<typeof deleteUnnamed>): Promise<void> {
  try {
    await deleteUnnamed(...what);
  } catch (error) {
    if (!hasCode(error, 'AccessDenied')) throw error;
  }
}

/** True if a manifest is one that the other has replaced: every manifest is dated later than the one before. */
function isEarlier({ createdAt }: Manifest, than: Pick<Manifest, 'createdAt'>): boolean {
  return Date.parse(createdAt) < Date.parse(than.createdAt);
}

/** The failures of requests, each of which is to be sent whatever becomes of the others. */
class Failures {
  readonly #failures: RollupError[] = [];

  /** Waits for a request. False if it failed. Throws errors without a code, and that of a run which was stopped. */
  async note(request: Promise<void>): Promise<boolean> {
    try {
      await request;
      return true;
    } catch (error) {
      if (!(error instanceof RollupError) || error.code === 'Aborted') throw error;
      this.#failures.push(error);
      return false;
    }
  }

  throwFirst(): void {
    const [first] = this.#failures;
    if (first !== undefined) throw first;
  }
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
  await deleteUnnamed(store, destination, [...replaced, ...sidecars], manifest);
}

/** Those of the uploads whose keys this program gives to objects of this rollup. */
export function ourUploads(uploads: OpenUpload[], destination: Location): OpenUpload[] {
  return uploads.filter(({ key }) => isOurs(key, destination));
}

/**
 * Aborts uploads that were begun by plans from a commit that is replaced now. A run that is still at work on one gets
 * `NoSuchUpload`, and plans again. Throws the first failure, after all were requested.
 */
export async function abortUploads(store: Store, uploads: OpenUpload[]): Promise<void> {
  const failures = new Failures();
  for (const upload of uploads) await failures.note(store.abortUpload(upload));
  failures.throwFirst();
}

/** Those of the open uploads that runs of this rollup began more than an hour before the listing. */
function leftoverUploads(uploads: OpenUpload[], destination: Location, listingBegan: Date): OpenUpload[] {
  const before = listingBegan.getTime() - SWEEP_AGE_MS;
  return uploads.filter(
    ({ key, initiated }) =>
      (isOurs(key, destination) || isIndexCopy(key, destination)) && initiated.getTime() < before,
  );
}

/** True for the copy of the index that readers have. Nobody commits it: it is made after a commit. */
function isIndexCopy(key: string, { prefix }: Location): boolean {
  return key === prefix + SOURCES_NAME;
}

/** True for an object by which the store was tried out. */
export function isProof(key: string, { prefix }: Location): boolean {
  return key.startsWith(prefix + DELETE_PROOF_NAME);
}

/** The keys that runs of this rollup wrote more than an hour before the listing, and that the manifest does not name. */
export function leftoverKeys(
  present: Iterable<ListedObject>,
  destination: Location,
  manifest: Manifest,
  listingBegan: Date,
): string[] {
  return leftovers(present, destination, manifest, listingBegan).map(({ key }) => key);
}

function leftovers(
  present: Iterable<ListedObject>,
  destination: Location,
  manifest: Manifest,
  listingBegan: Date,
): ListedObject[] {
  const before = listingBegan.getTime() - SWEEP_AGE_MS;
  return unnamedOf(present, destination, manifest).filter(
    ({ lastModified }) => Date.parse(lastModified) < before,
  );
}

/** What a run that found nothing new deletes and aborts. */
export interface Sweep {
  keys: string[];
  uploads: OpenUpload[];
  /** True if a run may still commit one of them: the manifest has to be replaced by itself before. */
  replacesManifest: boolean;
}

/**
 * Decides what a run sweeps that found nothing new. What was written over an hour before the manifest that stands was planned
 * from an earlier one, and nobody can commit it any more. What is younger than that can be committed until the manifest is
 * replaced, which would make a run that is at work lose: while one may be, it stays.
 *
 * @param current the commit that stands
 * @param found `present` and `uploads`: what was listed after that was read; `listingBegan`: when
 */
export function planSweep(
  current: Pick<Rollup, 'manifest' | 'etag'>,
  destination: Location,
  found: { present: ReadonlyMap<string, ListedObject>; uploads: OpenUpload[]; listingBegan: Date },
): Sweep {
  const { present, listingBegan } = found;
  const objects = leftovers(present.values(), destination, current.manifest, listingBegan);
  const uploads = leftoverUploads(found.uploads, destination, listingBegan);
  const before = writtenAt(current, destination, present) - SWEEP_AGE_MS;
  const pastObjects = objects.filter(
    ({ key, lastModified }) => isProof(key, destination) || Date.parse(lastModified) < before,
  );
  const pastUploads = uploads.filter(
    ({ key, initiated }) => isIndexCopy(key, destination) || initiated.getTime() < before,
  );
  const isPast = pastObjects.length === objects.length && pastUploads.length === uploads.length;
  const replacesManifest =
    !isPast && !isAtWork(present.values(), destination, current.manifest, listingBegan);
  const swept = replacesManifest ? { objects, uploads } : { objects: pastObjects, uploads: pastUploads };
  return { keys: swept.objects.map(({ key }) => key), uploads: swept.uploads, replacesManifest };
}

/**
 * The time at which the manifest was written for the first time, in milliseconds: that of the store, with whose times it is
 * compared; or its own, if that is earlier, because somebody may have put an earlier manifest back, whose time in the store
 * is then a later one and whose ETag is the one that runs of that time plan from. NaN, which nothing is earlier than, if
 * the listing has another manifest.
 */
function writtenAt(
  { manifest, etag }: Pick<Rollup, 'manifest' | 'etag'>,
  { prefix }: Location,
  present: ReadonlyMap<string, ListedObject>,
): number {
  const listed = present.get(prefix + MANIFEST_NAME);
  if (listed?.etag !== etag) return NaN;
  return Math.min(Date.parse(listed.lastModified), Date.parse(manifest.createdAt));
}

/**
 * True if a run may be at work that has not committed yet: an output, a plan or an index that the manifest does not name was
 * written within an hour of the listing. A run that is killed holds a sweep up for that long.
 */
function isAtWork(
  present: Iterable<ListedObject>,
  destination: Location,
  manifest: Manifest,
  listingBegan: Date,
): boolean {
  const before = listingBegan.getTime() - SWEEP_AGE_MS;
  return unnamedOf(present, destination, manifest).some(
    ({ lastModified }) => Date.parse(lastModified) >= before,
  );
}

/** The objects of this rollup that the manifest does not name. */
function unnamedOf(
  present: Iterable<ListedObject>,
  destination: Location,
  manifest: Manifest,
): ListedObject[] {
  const kept = namedBy(manifest);
  return [...present].filter(({ key }) => isOurs(key, destination) && !kept.has(key));
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
    version: versionOf({ totals, keepSource, outputs }, { hasHeaders: version > 1 }),
    generation: manifest.generation + 1,
    ...{ source, destination, createdAt: laterThan(manifest, now), settings },
    // JSON leaves out what is undefined.
    ...{ keepSource, totals, outputs, sources },
  };
  try {
    const at = { bucket, key: prefix + MANIFEST_NAME };
    const body = formatManifest(next);
    const put = await store.put(at, body, 'application/json', { etag }, rollup.metadata);
    return { ...rollup, manifest: next, etag: put.etag };
  } catch (error) {
    if (hasCode(error, 'PreconditionFailed', 'Conflict')) return undefined;
    throw error;
  }
}

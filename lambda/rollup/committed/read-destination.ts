import { sourceStore } from '../model/endpoints.ts';
import type { Location } from '../model/location.ts';
import { MANIFEST_NAME, type Rollup } from '../model/manifest.ts';
import type { DestinationState, RollupContext, RollupRequest } from '../model/run.ts';
import type { ListedObject, Store } from '../model/store.ts';
import { readCommitted } from './read-committed.ts';
import { resolveSource } from './resolve-source.ts';

/** Times that the destination is read, where other runs commit meanwhile. */
const ATTEMPTS = 5;

/**
 * Reads the current commit and then lists the destination: in this order, the listing has all that the manifest names,
 * unless another run has committed since, or an output was deleted by hand or lost by the store. The source is resolved from
 * what is committed and listed: from here on a run is of `source` in the result. Throws as `readCommitted` and
 * `resolveSource` do.
 */
export async function readDestination(
  request: RollupRequest,
  { now, signal, ...endpoints }: Pick<RollupContext, 'store' | 'raw' | 'now' | 'signal'>,
): Promise<DestinationState> {
  const { store } = endpoints;
  const { source, destination } = request;
  for (let attempt = 1; ; attempt++) {
    const previous = await readCommitted(store, destination, source);
    const resolved = await resolveSource(sourceStore(endpoints), request, previous?.manifest, signal);
    const listingBegan = now();
    const present = await listByKey(store, destination, signal);
    const missing = await findMissing(store, destination, previous, present);
    const isReplaced =
      missing.size > 0 && attempt < ATTEMPTS && !(await isCurrent(store, destination, previous));
    if (!isReplaced) return { ...resolved, previous, present, listingBegan, missing };
  }
}

/** Outputs of a commit that are neither in the listing nor to be found by themselves: not every store lists all at once. */
async function findMissing(
  store: Store,
  { bucket }: Location,
  previous: Rollup | undefined,
  present: ReadonlyMap<string, ListedObject>,
): Promise<Set<string>> {
  const missing = new Set<string>();
  for (const key of unlisted(previous, present))
    if ((await store.head({ bucket, key })) === undefined) missing.add(key);
  return missing;
}

/** Keys of the outputs of a commit that are not in the listing of its destination. */
export function unlisted(previous: Rollup | undefined, present: ReadonlyMap<string, ListedObject>): string[] {
  return (previous?.manifest.outputs ?? []).map(({ key }) => key).filter((key) => !present.has(key));
}

/** True if no other run has committed since. */
async function isCurrent(
  store: Store,
  { bucket, prefix }: Location,
  previous: Rollup | undefined,
): Promise<boolean> {
  return (await store.head({ bucket, key: prefix + MANIFEST_NAME }))?.etag === previous?.etag;
}

/** Lists the objects under a prefix, by key. */
export async function listByKey(
  store: Store,
  at: Location,
  signal: AbortSignal,
): Promise<Map<string, ListedObject>> {
  const objects = new Map<string, ListedObject>();
  for await (const page of store.list(at, signal)) {
    for (const object of page) objects.set(object.key, object);
  }
  return objects;
}

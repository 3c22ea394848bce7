import { sourceStore } from '../model/endpoints.ts';
import type { Location } from '../model/location.ts';
import type { DestinationState, RollupContext, RollupRequest } from '../model/run.ts';
import type { ListedObject, Store } from '../model/store.ts';
import { readCommitted } from './read-committed.ts';
import { resolveSource } from './resolve-source.ts';

/**
 * Reads the current commit and then lists the destination: in this order, the listing has all that the manifest names,
 * unless another run has committed since. The source is resolved from what is committed and listed: from here on a run is
 * of `source` in the result. Throws as `readCommitted` and `resolveSource` do.
 */
export async function readDestination(
  { source, destination }: RollupRequest,
  { now, signal, ...endpoints }: Pick<RollupContext, 'store' | 'raw' | 'now' | 'signal'>,
): Promise<DestinationState> {
  const { store } = endpoints;
  const previous = await readCommitted(store, destination, source);
  const raw = sourceStore(endpoints);
  const resolved = await resolveSource(raw, source, destination, previous?.manifest, signal);
  const listingBegan = now();
  return { ...resolved, previous, present: await listByKey(store, destination, signal), listingBegan };
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

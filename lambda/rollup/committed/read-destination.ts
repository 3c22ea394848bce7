import type { Location } from '../model/location.ts';
import type { DestinationState, RollupContext, RollupRequest } from '../model/run.ts';
import type { ListedObject, Store } from '../model/store.ts';
import { readCommitted } from './read-committed.ts';

/**
 * Reads the current commit and then lists the destination: in this order, the listing has all that the manifest names,
 * unless another run has committed since. Throws as `readCommitted` does.
 */
export async function readDestination(
  { source, destination }: RollupRequest,
  { store, now, signal }: Pick<RollupContext, 'store' | 'now' | 'signal'>,
): Promise<DestinationState> {
  const previous = await readCommitted(store, destination, source);
  const listingBegan = now();
  return { previous, present: await listByKey(store, destination, signal), listingBegan };
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

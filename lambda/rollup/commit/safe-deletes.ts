import { RollupError } from '../../errors.ts';
import { type Location, formatLocation } from '../model/location.ts';
import type { Store } from '../model/store.ts';

/**
 * Makes sure, before the first source is deleted, that the store of the sources keeps one which was overwritten meanwhile:
 * all that protects it is the condition on its ETag, and some stores ignore that. It is tried out once in a process.
 *
 * Where source and destination are on one service, the trial is made in the destination, where this program may write;
 * otherwise, and where an endpoint other than Amazon S3 may serve two buckets in two ways, under the source's prefix.
 *
 * @throws RollupError `UnsafeDelete` where the store deletes it all the same; where the trial fails, as its requests do
 */
export async function requireSafeDeletes(
  source: Location,
  destination: Location,
  { store, raw, signal }: { store: Store; raw: Store; signal: AbortSignal },
): Promise<void> {
  const isSameService = raw.service === store.service;
  const inDestination = isSameService && (raw.service === undefined || source.bucket === destination.bucket);
  const trial = inDestination ? store.keepsChanged(destination, signal) : raw.keepsChanged(source, signal);
  const isSafe = await trial.catch((error: unknown) => {
    if (!(error instanceof RollupError)) throw error;
    const at = formatLocation(inDestination ? destination : source);
    const why = `No source was deleted, because it could not be tried out under ${at} if conditional deletes are safe there`;
    throw new RollupError(error.code, `${why}: ${error.message}`, { key: error.key, cause: error });
  });
  if (isSafe) return;
  const message = `${raw.service ?? 'The store'} deletes an object although another ETag was asked for, so that a source which is overwritten meanwhile would be lost. No source was deleted. Leave --delete-source out with this store, or let a lifecycle rule expire what was rolled up.`;
  throw new RollupError('UnsafeDelete', message);
}

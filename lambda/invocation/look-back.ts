import { type Hour, MANIFEST_NAME, type Store, hourBefore } from '../rollup/index.ts';
import { RollupError } from '../errors.ts';
import type { RequestMessage } from './message.ts';
import type { Queue } from './queue.ts';
import type { ResolvedRequest } from './request.ts';

/**
 * The requests that add late arrivals to the hours before a scheduled one. Each goes through the queue by itself, so that
 * none of them delays the scheduled hour, or fails it.
 *
 * @param hours the number of hours to look back
 * @returns none for a request that is not scheduled, that is continued, or whose hour is not known
 */
export function lookBacksOf({ message, hour, configured }: ResolvedRequest, hours: number): RequestMessage[] {
  const { scheduledTime, continuation, stream } = message;
  if (scheduledTime === undefined || continuation !== undefined || hour === undefined) return [];
  // The stream's own template is right for every hour, also where the request gave the prefix of one, or none.
  const { source, destination } =
    configured === undefined ? message : { source: configured.source, destination: undefined };
  return Array.from({ length: hours }, (_, i) => ({
    ...(source === undefined ? {} : { source }),
    ...(destination === undefined ? {} : { destination }),
    hour: hourBefore(hour, i + 1),
    ...(stream === undefined ? {} : { stream }),
    lookBack: true,
  }));
}

/**
 * Sends look-back requests.
 *
 * @returns `LookBackUnsent` where the queue did not take them all; it is not thrown, because the hour itself is to be
 * rolled up all the same
 */
export async function sendLookBacks(
  messages: RequestMessage[],
  queue: Queue,
): Promise<RollupError | undefined> {
  try {
    for (const message of messages) await queue.send(message);
    return undefined;
  } catch (cause) {
    const hours = messages.map(({ hour = '' }) => hour).join(', ');
    const why = cause instanceof Error ? cause.message : String(cause);
    const message = `What came late to ${hours} was not looked for: the queue did not take the request (${why}).`;
    return new RollupError('LookBackUnsent', message, { cause });
  }
}

/**
 * True where the hour has a manifest. An hour without one is not looked back at: it was before this deployment's time, its
 * first run is still under way, or failed, and then its own request is in the dead-letter queue.
 */
export async function isRolledUp(store: Store, { destination }: ResolvedRequest): Promise<boolean> {
  const { bucket, prefix } = destination;
  return (await store.head({ bucket, key: prefix + MANIFEST_NAME })) !== undefined;
}

/** The answer to a look back at an hour that was never rolled up. */
export interface Skipped {
  status: 'skipped';
  source: string;
  destination: string;
  hour: Hour | undefined;
}

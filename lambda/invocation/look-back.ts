import { type Hour, MANIFEST_NAME, type Store, hourBefore } from '../rollup/index.ts';
import { RollupError } from '../errors.ts';
import type { RequestMessage } from './message.ts';
import type { Queue } from './queue.ts';
import type { ResolvedRequest } from './request.ts';

/**
 * The requests for the hours before that of a scheduled one: what came late to them is added. They go through the queue,
 * each by itself, so that none of them delays the hour that is due, or fails it.
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

/** Sends them. What cannot be sent is told, and does not stand in the way of the hour itself. */
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
 * Whether there is something to look back at. An hour that was never rolled up is none: it was before this deployment's
 * time, is still at work, or failed, and then its own request is in the dead-letter queue.
 */
export async function isRolledUp(store: Store, { destination }: ResolvedRequest): Promise<boolean> {
  const { bucket, prefix } = destination;
  return (await store.head({ bucket, key: prefix + MANIFEST_NAME })) !== undefined;
}

/** A look back at an hour that was never rolled up. */
export interface Skipped {
  status: 'skipped';
  source: string;
  destination: string;
  hour: Hour | undefined;
}

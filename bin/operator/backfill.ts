import { setTimeout as delay } from 'node:timers/promises';
import type { RequestMessage } from '../../lambda/invocation/message.ts';
import { OperatorError } from './operator-error.ts';
import type { Services } from './services.ts';

/**
 * Milliseconds between two looks at the queue. SQS's counts lag by seconds: more frequent looks would send too many.
 */
const POLL_MS = 5_000;

export interface BackfillResult {
  status: 'queued' | 'dry-run';
  /** Absent for a dry run without a deployment. */
  queueUrl?: string;
  hours: number;
  sent: number;
  /** Only for a dry run: the messages that would be sent. */
  requests?: RequestMessage[];
  prefixes?: { hour: string; source: string; destination?: string }[];
}

export interface BackfillOptions {
  queueUrl: string;
  maxInQueue: number;
  progress: (state: { sent: number; inQueue: number; waiting: boolean }) => void;
  signal: AbortSignal;
}

/**
 * Sends one message for each request, in order, and waits while the queue is full.
 *
 * @throws OperatorError whose message names the hour to go on from
 */
export async function backfillHours(
  services: Pick<Services, 'queue' | 'send'>,
  requests: RequestMessage[],
  { queueUrl, maxInQueue, progress, signal }: BackfillOptions,
): Promise<BackfillResult> {
  let sent = 0;
  try {
    while (sent < requests.length) {
      signal.throwIfAborted();
      const { waiting, inWork } = await services.queue(queueUrl);
      const inQueue = waiting + inWork;
      const room = Math.max(0, maxInQueue - inQueue);
      for (const request of requests.slice(sent, sent + room)) {
        signal.throwIfAborted();
        await services.send(queueUrl, request);
        sent++;
        progress({ sent, inQueue, waiting: false });
      }
      if (sent === requests.length) break;
      progress({ sent, inQueue, waiting: true });
      await delay(POLL_MS, undefined, { signal });
    }
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    const next = requests[sent]?.hour ?? '';
    const message = `${error.message} ${sent} of ${requests.length} hours are queued: go on with --from ${next}.`;
    throw new OperatorError(error.code, message, error);
  }
  return { status: 'queued', queueUrl, hours: requests.length, sent };
}

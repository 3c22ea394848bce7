import { setTimeout as delay } from 'node:timers/promises';
import type { RequestMessage } from '../../lambda/invocation/message.ts';
import { OperatorError } from './operator-error.ts';
import type { Services } from './services.ts';

/** SQS's counts follow what happens by seconds: asked more often they would let more through than there is room for. */
const POLL_MS = 5_000;

export interface BackfillResult {
  status: 'queued' | 'dry-run';
  queueUrl: string;
  hours: number;
  sent: number;
  /** Of a dry run: what would be queued, and what it comes to. */
  requests?: RequestMessage[];
  prefixes?: { hour: string; source: string; destination?: string }[];
}

export interface BackfillOptions {
  queueUrl: string;
  maxInQueue: number;
  progress: (told: { sent: number; inQueue: number; waiting: boolean }) => void;
  signal: AbortSignal;
}

/** Queues a message a request, in order, never more than there is room for. Throws with the hour to go on from. */
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

import { setTimeout as delay } from 'node:timers/promises';
import { parseEvent } from '../../lambda/invocation/request.ts';
import { OperatorError } from './operator-error.ts';
import type { Message, Move, Services } from './services.ts';

const POLL_MS = 1_000;

/** Attributes in which Lambda and EventBridge say why they gave up on a message. */
const REASONS = ['ErrorMessage', 'ERROR_MESSAGE', 'ErrorCode', 'ERROR_CODE'];

/** A message of the dead-letter queue, with the reason if it can be told from the message. */
export interface DeadLetter {
  id: string;
  sentAt: string;
  receives: number;
  body: string;
  /** Absent if the message says nothing; then the function's log does. */
  reason?: string;
}

export function describeDeadLetter({ id, sentAt, receives, body, attributes }: Message): DeadLetter {
  const attached = REASONS.map((name) => attributes[name]).find((value) => value !== undefined);
  const reason = attached ?? refusal(body);
  return { id, sentAt, receives, body, ...(reason === undefined ? {} : { reason }) };
}

/** The reason for which the function will always refuse a message; undefined if it will not. */
function refusal(body: string): string | undefined {
  try {
    parseEvent({ Records: [{ messageId: 'it', body }] });
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message.replace(/^Message it is/, 'It is') : String(error);
  }
}

/** Throws `RedriveRunning` if the last task has not ended. */
export function refuseRunning(last: Move | undefined): void {
  if (last?.status !== 'RUNNING' && last?.status !== 'CANCELLING') return;
  throw new OperatorError(
    'RedriveRunning',
    `A redrive of this queue is ${last.status.toLowerCase()}, ${last.moved} of ${last.toMove} messages moved: SQS allows one at a time. Wait for its end.`,
  );
}

/** Moves all messages of a dead-letter queue, and follows the task to its end. Throws if it did not complete. */
export async function moveAll(
  services: Pick<Services, 'startMove' | 'lastMove'>,
  deadLetterArn: string,
  to: string | undefined,
  progress: (move: Move) => void,
  signal: AbortSignal,
): Promise<Move> {
  await services.startMove(deadLetterArn, to);
  for (;;) {
    const move = await services.lastMove(deadLetterArn);
    if (move !== undefined) progress(move);
    switch (move?.status) {
      case 'COMPLETED':
        return move;
      case 'FAILED':
        throw new OperatorError(
          'RedriveFailed',
          `The redrive failed after ${move.moved} of ${move.toMove} messages: ${move.failure ?? 'SQS does not say why'}. Those that are left are where they were.`,
        );
      case 'CANCELLED':
        throw new OperatorError(
          'RedriveCancelled',
          `The redrive was cancelled after ${move.moved} of ${move.toMove} messages. Those that are left are where they were.`,
        );
      case 'RUNNING':
      case 'CANCELLING':
      case undefined:
        await delay(POLL_MS, undefined, { signal });
    }
  }
}

import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
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
  /** Of an execution of the state machine: its name, and the request that it was started with. */
  execution?: string;
  request?: unknown;
}

// https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html
const noticeSchema = z.object({
  'detail-type': z.literal('Step Functions Execution Status Change'),
  detail: z.object({
    name: z.string(),
    status: z.string(),
    input: z.string().nullish(),
    error: z.string().nullish(),
    cause: z.string().nullish(),
  }),
});

export function describeDeadLetter({ id, sentAt, receives, body, attributes }: Message): DeadLetter {
  const notice = noticeSchema.safeParse(jsonOf(body)).data?.detail;
  if (notice !== undefined) {
    const request = jsonOf(notice.input ?? '');
    const reason =
      request === undefined
        ? `${reasonOf(notice)}. The notice is without the request: re-run the hour, with which the name begins, and delete it`
        : (refusal(body) ?? reasonOf(notice));
    const known = request === undefined ? {} : { request };
    return { id, sentAt, receives, body, reason, execution: notice.name, ...known };
  }
  const attached = REASONS.map((name) => attributes[name]).find((value) => value !== undefined);
  const reason = attached ?? refusal(body);
  return { id, sentAt, receives, body, ...(reason === undefined ? {} : { reason }) };
}

/** `TIMED_OUT`, `FAILED: SlowDown: Reduce your request rate.` */
function reasonOf({ status, error, cause }: z.infer<typeof noticeSchema>['detail']): string {
  // Of a step that failed the cause is JSON, with the error's message.
  const { errorMessage } =
    z.looseObject({ errorMessage: z.string() }).safeParse(jsonOf(cause ?? '')).data ?? {};
  const [firstLine] = (errorMessage ?? cause ?? '').trim().split('\n');
  return [status, error, firstLine].filter((text) => text).join(': ');
}

/** Undefined for text that is not JSON. */
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
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

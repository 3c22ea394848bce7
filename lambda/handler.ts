import type { Context } from 'aws-lambda';
import { createInvocation } from './invocation/invocation.ts';
import type { Dispatched } from './invocation/dispatch.ts';
import type { Skipped } from './invocation/look-back.ts';
import { messageIdsOf, parseEvent } from './invocation/request.ts';
import type { RunResult } from './run.ts';

type Result = RunResult | Skipped | Dispatched;

// Outside the handler: one client and one agent for every invocation of this process.
const invocation = createInvocation(process.env);

/**
 * Rolls up what the event asks for: an SQS record, an EventBridge event, or a request itself. A failure is thrown, so
 * that SQS gives the message again and, in the end, to the dead-letter queue.
 */
export async function handler(event: unknown, context: Context): Promise<Result | Result[]> {
  const results: Result[] = [];
  const ids = messageIdsOf(event);
  try {
    for (const message of invocation.parse(() => parseEvent(event), context))
      results.push(await invocation.handle(message, context, ids[results.length]));
  } catch (error) {
    await invocation.giveBack(event);
    throw error;
  }
  const [first] = results;
  return results.length === 1 && first !== undefined ? first : results;
}

import type { Context } from 'aws-lambda';
import type { Dispatched } from './invocation/dispatch.ts';
import { createInvocation } from './invocation/invocation.ts';
import type { Skipped } from './invocation/look-back.ts';
import { deliveriesOf, parseDelivery } from './invocation/request.ts';
import type { RunResult } from './run.ts';

type Result = RunResult | Skipped | Dispatched;

// Outside the handler: one client and one agent for every invocation of this process.
const invocation = createInvocation(process.env);

/**
 * Rolls up the hour that the event asks for.
 *
 * @param event an SQS event, an EventBridge event whose detail is a request, or a request itself
 * @returns the result; a list of them for an SQS event of several records
 * @throws an error named by its code. SQS then delivers the message again and, after the last attempt, moves it to the
 * dead-letter queue.
 */
export async function handler(event: unknown, context: Context): Promise<Result | Result[]> {
  const deliveries = deliveriesOf(event);
  try {
    const requests = invocation.parse(() => deliveries.map(parseDelivery), context);
    const results: Result[] = [];
    for (const [i, request] of requests.entries()) {
      results.push(await invocation.handle(request, context, deliveries[i]?.messageId));
    }
    const [first] = results;
    return results.length === 1 && first !== undefined ? first : results;
  } catch (error) {
    await invocation.giveBack(deliveries);
    throw error;
  }
}

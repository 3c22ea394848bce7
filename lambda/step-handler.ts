import type { Context } from 'aws-lambda';
import { createStepInvocation } from './invocation/step-invocation.ts';

// Outside the handler: one client and one agent for every invocation of this process.
const invocation = createStepInvocation(process.env);

/** One step of the state machine: plan, write a batch, or commit. A failure is thrown: the machine decides over retries. */
export async function handler(event: unknown, context: Context): Promise<unknown> {
  return invocation.handle(event, context);
}

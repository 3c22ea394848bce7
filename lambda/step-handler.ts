import type { Context } from 'aws-lambda';
import { createStepInvocation } from './invocation/step-invocation.ts';

// Outside the handler: one client and one agent for every invocation of this process.
const invocation = createStepInvocation(process.env);

/**
 * Carries out one step of the state machine: plan, write a batch of outputs, or commit.
 *
 * @throws an error named by its code: the state machine retries by these names (lib/fan-out-definition.ts)
 */
export async function handler(event: unknown, context: Context): Promise<unknown> {
  return invocation.handle(event, context);
}

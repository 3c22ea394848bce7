import {
  ATTEMPTS,
  type RollupContext,
  type RollupOutcome,
  type RollupRequest,
  lostToOthers,
  stoppable,
} from '../model/run.ts';
import { commitPlan } from './commit-step.ts';
import { type WrittenPlan, planToFile } from './plan-step.ts';
import type { WriteStep } from './write-step.ts';

/** Has all outputs of a plan for a request brought about, by whomever. */
export type Distribute = (plan: WrittenPlan, request: RollupRequest) => Promise<WriteStep>;

/** Rolls one prefix up by a plan that others carry out. Throws `RollupError`, as `rollUp` does. */
export async function rollUpByPlan(
  request: RollupRequest,
  context: Omit<RollupContext, 'hasTime'>,
  distribute: Distribute,
): Promise<RollupOutcome> {
  return stoppable(context, () => attemptUntilCommitted(request, context, distribute));
}

async function attemptUntilCommitted(
  request: RollupRequest,
  context: Omit<RollupContext, 'hasTime'>,
  distribute: Distribute,
): Promise<RollupOutcome> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const plan = await planToFile(request, context);
    if (plan.status === 'done') return plan.outcome;
    if (plan.status === 'planned') {
      const written = await distribute(plan, request);
      const outcome = await commitPlan(plan, request, context);
      const peakInFlightBytes = written.status === 'lost' ? 0 : written.peakInFlightBytes;
      if (outcome !== 'lost') return { ...outcome, peakInFlightBytes };
    }
    context.report({ type: 'lost', attempt });
  }
  throw lostToOthers(request.destination);
}

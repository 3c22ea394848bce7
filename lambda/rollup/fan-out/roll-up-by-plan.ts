import { untilCommitted } from '../attempts.ts';
import type { RollupContext, RollupOutcome, RollupRequest } from '../model/run.ts';
import { commitPlan } from './commit-step.ts';
import { type WrittenPlan, planToFile } from './plan-step.ts';
import type { WriteStep } from './write-step.ts';

/** Has all outputs of a plan written, by other processes; returns the sum of their results. */
export type Distribute = (plan: WrittenPlan, request: RollupRequest) => Promise<WriteStep>;

/** Rolls one prefix up by a plan file that others carry out. Throws `RollupError`, as `rollUp` does. */
export async function rollUpByPlan(
  request: RollupRequest,
  context: Omit<RollupContext, 'hasTime'>,
  distribute: Distribute,
): Promise<RollupOutcome> {
  return untilCommitted(request.destination, context, async () => {
    const plan = await planToFile(request, context);
    if (plan.status === 'done') return plan.outcome;
    if (plan.status === 'lost') return 'lost';
    const written = await distribute(plan, request);
    const outcome = await commitPlan(plan, request, context);
    const peakInFlightBytes = written.status === 'lost' ? 0 : written.peakInFlightBytes;
    return outcome === 'lost' ? 'lost' : { ...outcome, peakInFlightBytes };
  });
}

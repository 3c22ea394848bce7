import { untilCommitted } from '../attempts.ts';
import type { RollupContext, RollupOutcome, RollupRequest } from '../model/run.ts';
import { commitPlan } from './commit-step.ts';
import { type WrittenPlan, planToFile } from './plan-step.ts';
import type { WriteStep } from './write-step.ts';

/** Has `writeItems` called for all items of a plan, by other processes, and returns their results in one. */
export type Distribute = (plan: WrittenPlan, request: RollupRequest) => Promise<WriteStep>;

/**
 * Rolls one prefix up with other processes writing its outputs: `planToFile`, then `distribute`, then `commitPlan`.
 *
 * @param request the two prefixes, neither of which may begin with the other
 * @param context as for `rollUp`, without a time limit
 * @param distribute has the plan's items written
 * @returns the outcome, as of `rollUp`
 * @throws RollupError as `rollUp` does
 */
export async function rollUpByPlan(
  request: RollupRequest,
  context: Omit<RollupContext, 'hasTime'>,
  distribute: Distribute,
): Promise<RollupOutcome> {
  return untilCommitted(request.destination, context, async ({ samplesAll, readsOutputs, warnings }) => {
    const plan = await planToFile(request, { ...context, samplesAll, readsOutputs });
    if (plan.status === 'done') return plan.outcome;
    if (plan.status === 'lost') return 'lost';
    const written = await distribute(plan, request);
    const { peakInFlightBytes, warnings: noticed } =
      written.status === 'lost' ? { peakInFlightBytes: 0, warnings: [] } : written;
    const describeRun = context.describeRun && (() => context.describeRun?.({ peakInFlightBytes }) ?? {});
    const outcome = await commitPlan(plan, request, { ...context, describeRun });
    return outcome === 'lost'
      ? 'lost'
      : {
          ...outcome,
          peakInFlightBytes,
          warnings: [...plan.warnings, ...noticed, ...outcome.warnings, ...warnings],
        };
  });
}

import { z } from 'zod';
import { RollupError } from './errors.ts';
import { messageSchema, requireInside } from './request.ts';
import { workersFor } from './rollup/fan-budget.ts';
import { commitPlan } from './rollup/fan-commit.ts';
import { planToFile } from './rollup/fan-plan.ts';
import { writeItems } from './rollup/fan-write.ts';
import { type Location, parseLocation } from './rollup/location.ts';
import { formatPlanAt, itemSchema, parsePlanAt, planFiles } from './rollup/plan-file.ts';
import { readHeader } from './rollup/plan-store.ts';
import {
  ATTEMPTS,
  type RollupContext,
  type RollupOutcome,
  type RollupRequest,
  lostToOthers,
} from './rollup/rollup.ts';

/** What the state machine asks for. Names in it are its own: lib/fan-out-definition.ts writes them. */
export const stepSchema = z.discriminatedUnion('step', [
  z.strictObject({ step: z.literal('plan'), request: messageSchema, attempt: z.int().positive() }),
  z.strictObject({ step: z.literal('write'), items: z.array(itemSchema).min(1) }),
  z.strictObject({
    step: z.literal('commit'),
    ...{ request: messageSchema, plan: z.string(), attempt: z.int().positive() },
  }),
]);
export type StepEvent = z.infer<typeof stepSchema>;

/** What plan and commit answer: `attempt` is that of the next plan. */
export type StepAnswer =
  | { status: 'done'; outcome: RollupOutcome }
  | { status: 'lost'; attempt: number }
  | {
      status: 'planned';
      plan: string;
      /** Where the map reads its items. */
      bucket: string;
      items: string;
      workers: number;
      attempt: number;
      totals: { outputs: number; objects: number; bytes: number };
    };

export async function planStep(
  request: RollupRequest,
  attempt: number,
  context: Omit<RollupContext, 'hasTime'>,
): Promise<StepAnswer> {
  const planned = await planToFile(request, context);
  if (planned.status === 'done') return planned;
  if (planned.status === 'lost') return lost(attempt, request.destination);
  const { at, totals } = planned;
  const { bucket, key } = planFiles(at).items;
  const workers = workersFor(totals, context.settings);
  return { status: 'planned', plan: formatPlanAt(at), bucket, items: key, workers, attempt, totals };
}

export async function commitStep(
  plan: string,
  attempt: number,
  { aggregatedRoot }: { aggregatedRoot: Location },
  context: Omit<RollupContext, 'hasTime'>,
): Promise<StepAnswer> {
  const at = parsePlanAt(plan);
  requireInside(at.destination, aggregatedRoot, 'Destination');
  const outcome = await commitPlan(at, context);
  return outcome === 'lost' ? lost(attempt, at.destination) : { status: 'done', outcome };
}

/** Throws `Timeout` where there was no time for all of them: what was written is found by the next attempt. */
export async function writeStep(
  { items }: Extract<StepEvent, { step: 'write' }>,
  roots: { rawRoot: Location; aggregatedRoot: Location },
  context: Omit<RollupContext, 'now'>,
): Promise<{ status: 'written' | 'lost' }> {
  const plans = Map.groupBy(items, ({ plan }) => plan);
  let status: 'written' | 'lost' = 'written';
  for (const [plan, own] of plans) {
    const at = parsePlanAt(plan);
    requireInside(at.destination, roots.aggregatedRoot, 'Destination');
    const header = await readHeader(context.store, at);
    if (header !== undefined) requireInside(parseLocation(header.source), roots.rawRoot, 'Source');
    const step = await writeItems(at, own, context);
    if (step.status === 'incomplete') throw outOfTime(step.fates.written + step.fates.copied);
    if (step.status === 'lost') status = 'lost';
  }
  return { status };
}

function lost(attempt: number, destination: Location): StepAnswer {
  if (attempt >= ATTEMPTS) throw lostToOthers(destination);
  return { status: 'lost', attempt: attempt + 1 };
}

function outOfTime(written: number): RollupError {
  if (written > 0)
    return new RollupError(
      'Timeout',
      'There was no time for all outputs of the batch. Those written are kept.',
    );
  const message =
    'There was no time to write one output of the batch. Raise the timeout or the memory, or lower outputsInFlight.';
  return new RollupError('NoProgress', message);
}

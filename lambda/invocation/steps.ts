import {
  ATTEMPTS,
  type Location,
  type PinnedPlan,
  type RollupContext,
  type RollupOutcome,
  type RollupRequest,
  badPlan,
  commitPlan,
  formatLocation,
  formatPlanAt,
  itemSchema,
  lostToOthers,
  parsePlanAt,
  planFiles,
  planToFile,
  workersFor,
  writeItems,
} from '../rollup/index.ts';
import { z } from 'zod';
import { RollupError } from '../errors.ts';
import { messageSchema } from './message.ts';

const attempt = z.int().positive();
/** The request that the machine was started with, and the plan that its plan step answered with: none of it is read from S3. */
const carriedOut = { request: messageSchema, plan: z.string(), etag: z.string().min(1) };

/** What the state machine asks for. Names in it are its own: lib/fan-out-definition.ts writes them. */
const stepSchema = z.discriminatedUnion('step', [
  z.strictObject({ step: z.literal('plan'), request: messageSchema, attempt }),
  z.strictObject({ step: z.literal('write'), ...carriedOut, items: z.array(itemSchema).min(1) }),
  z.strictObject({ step: z.literal('commit'), ...carriedOut, attempt }),
]);
export type StepEvent = z.infer<typeof stepSchema>;

/** What executions ask for that were begun by a release before plans were pinned. */
const unpinnedSchema = z.discriminatedUnion('step', [
  z.strictObject({ step: z.literal('write'), items: z.array(itemSchema).min(1) }),
  z.strictObject({ step: z.literal('commit'), request: messageSchema, plan: z.string(), attempt }),
]);

/** Throws `InvalidRequest`, and `BadPlan` for a step that says nothing of what the plan must be. */
export function parseStep(event: unknown): StepEvent {
  const parsed = stepSchema.safeParse(event);
  if (parsed.success) return parsed.data;
  if (unpinnedSchema.safeParse(event).success) {
    const message =
      'This execution was begun by an earlier release, which did not pin its plan. Nothing was done: start the rollup again.';
    throw new RollupError('BadPlan', message);
  }
  const why = z.prettifyError(parsed.error).replace(/\s*\n\s*/g, ' ');
  throw new RollupError('InvalidRequest', `Not a step: ${why}.`);
}

/** What plan and commit answer: `attempt` is that of the next plan. */
export type StepAnswer =
  | { status: 'done'; outcome: RollupOutcome }
  | { status: 'lost'; attempt: number }
  | {
      status: 'planned';
      plan: string;
      /** Of the plan's header: what the other steps read, and nothing else. */
      etag: string;
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
  const { at, etag, totals } = planned;
  const { bucket, key } = planFiles(at).items;
  const workers = workersFor(totals, context.settings);
  return { status: 'planned', plan: formatPlanAt(at), etag, bucket, items: key, workers, attempt, totals };
}

/** Throws `BadPlan` where the plan is not one for this request. */
export async function commitStep(
  event: Extract<StepEvent, { step: 'commit' }>,
  request: RollupRequest,
  context: Omit<RollupContext, 'hasTime'>,
): Promise<StepAnswer> {
  const outcome = await commitPlan(planOf(event, request), request, context);
  return outcome === 'lost' ? lost(event.attempt, request.destination) : { status: 'done', outcome };
}

/**
 * Throws `Timeout` where there was no time for all of them: what was written is found by the next attempt. Throws `BadPlan`
 * as `commitStep` does, and for items of another plan: they are read from a file that is not pinned.
 */
export async function writeStep(
  event: Extract<StepEvent, { step: 'write' }>,
  request: RollupRequest,
  context: Omit<RollupContext, 'now'>,
): Promise<{ status: 'written' | 'lost' }> {
  const { items } = event;
  const plan = planOf(event, request);
  const stray = items.find((item) => item.plan !== event.plan);
  if (stray !== undefined)
    throw badPlan(planFiles(plan.at).items.key, `it has an item of ${stray.plan}, which is another plan`);
  const step = await writeItems(plan, items, request, context);
  if (step.status === 'incomplete') throw outOfTime(step.counts.written + step.counts.copied);
  return { status: step.status };
}

/** Throws `InvalidArgument`, and `BadPlan` for a plan that lies elsewhere than under the request's destination. */
function planOf(
  { plan, etag }: Pick<Extract<StepEvent, { step: 'commit' }>, 'plan' | 'etag'>,
  { destination }: RollupRequest,
): PinnedPlan {
  const at = parsePlanAt(plan);
  const [lies, asked] = [formatLocation(at.destination), formatLocation(destination)];
  if (lies === asked) return { at, etag };
  throw badPlan(planFiles(at).header.key, `it lies under ${lies}, and the request is for ${asked}`);
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

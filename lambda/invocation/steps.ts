import {
  ATTEMPTS,
  CommittedVanished,
  type Location,
  type PinnedPlan,
  type RollupContext,
  type RollupOutcome,
  type RollupRequest,
  type RunWarning,
  badPlan,
  commitPlan,
  formatLocation,
  formatPlanAt,
  isRepacked,
  itemSchema,
  lostToOthers,
  parsePlanAt,
  planFiles,
  planToFile,
  workersFor,
  writeItems,
} from '../rollup/index.ts';
import { z } from 'zod';
import { RollupError, hasCode } from '../errors.ts';
import { type RequestMessage, messageSchema } from './message.ts';

const attempt = z.int().positive();
/** True once a plan was mistaken about a format. Executions that were begun by an earlier release do not say it. */
const samplesAll = z.boolean().default(false);
/** True once a committed source had left raw where it was to be read. Nor do executions of earlier releases say this. */
const readsOutputs = z.boolean().optional();
/**
 * The request that the execution was started with, and the plan that its plan step answered with. Both come from the state
 * machine: nothing that lies in S3 can change them.
 */
const pinned = { request: messageSchema, plan: z.string(), etag: z.string().min(1) };

/** The event of a step, as lib/fan-out-definition.ts writes it. */
const stepSchema = z.discriminatedUnion('step', [
  z.strictObject({ step: z.literal('plan'), request: messageSchema, attempt, samplesAll, readsOutputs }),
  z.strictObject({ step: z.literal('write'), ...pinned, items: z.array(itemSchema).min(1) }),
  z.strictObject({
    step: z.literal('commit'),
    ...pinned,
    attempt,
    samplesAll,
    readsOutputs,
    /** Of the commit that was planned. An execution that an earlier release began does not send it. */
    generation: z.int().nonnegative().optional(),
  }),
]);
export type StepEvent = z.infer<typeof stepSchema>;

/** The events of executions that were begun by a release before plans were pinned. */
const unpinnedSchema = z.discriminatedUnion('step', [
  z.strictObject({ step: z.literal('write'), items: z.array(itemSchema).min(1) }),
  z.strictObject({ step: z.literal('commit'), request: messageSchema, plan: z.string(), attempt }),
]);

/**
 * Checks the event of a step.
 *
 * @throws RollupError `InvalidRequest`; `BadPlan` for a step that does not pin its plan
 */
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

/**
 * The answer of the plan and the commit step. `lost`: another run committed first, this plan is committed already, it was
 * mistaken about a format, or counted on a committed source that another run has deleted; the other fields are those of the
 * next plan.
 */
export type StepAnswer =
  | { status: 'done'; outcome: RollupOutcome }
  | {
      status: 'lost';
      attempt: number;
      request: RequestMessage;
      samplesAll: boolean;
      readsOutputs: boolean;
    }
  | {
      status: 'planned';
      plan: string;
      /** ETag of the plan's header: the other steps read that version of it, and no other. */
      etag: string;
      /** Bucket and key of the file that the map reads its items from. */
      bucket: string;
      items: string;
      /** The number of invocations that write at once. */
      workers: number;
      attempt: number;
      /** The generation of the commit that is planned. */
      generation: number;
      totals: { outputs: number; objects: number; bytes: number };
      /** What a person should look at, for the log. Absent where there is nothing. */
      warnings?: RunWarning[];
    };

/**
 * Lists, plans and writes the plan file.
 *
 * @param event `attempt`: the number of this plan, from 1
 * @returns `done` where there is nothing to write
 * @throws RollupError `Conflict` where the last attempt lost to other runs; `SourceVanished` where a source is gone
 */
export async function planStep(
  event: Extract<StepEvent, { step: 'plan' }>,
  request: RollupRequest,
  context: Omit<RollupContext, 'hasTime'>,
): Promise<StepAnswer> {
  const { attempt, readsOutputs = false } = event;
  const planned = await planToFile(request, { ...context, readsOutputs }).catch((error: unknown) => {
    if (!(error instanceof CommittedVanished) || readsOutputs) throw error;
    return { status: 'vanished' as const };
  });
  if (planned.status === 'done') return planned;
  if (planned.status === 'vanished') return fromOutputs(event, request.destination);
  if (planned.status === 'lost') return lost(event, request.destination);
  const { at, etag, generation, totals, warnings } = planned;
  const { bucket, key } = planFiles(at).items;
  const workers = workersFor(totals, context.settings);
  const files = { plan: formatPlanAt(at), etag, bucket, items: key };
  const answer = { ...files, workers, attempt, generation, totals };
  return { status: 'planned', ...answer, ...(warnings.length === 0 ? {} : { warnings }) };
}

/**
 * Commits the outputs of a plan, and does what follows a commit.
 *
 * @throws RollupError `BadPlan` where the plan is not one for this request; `FormatMistaken` where the last attempt was
 * mistaken; `SourceVanished` where a source is gone that no output holds, or for the second time
 */
export async function commitStep(
  event: Extract<StepEvent, { step: 'commit' }>,
  request: RollupRequest,
  context: Omit<RollupContext, 'hasTime'>,
): Promise<StepAnswer> {
  const outcome = await commitPlan(planOf(event, request), request, context).catch((error: unknown) => {
    if (error instanceof CommittedVanished && event.readsOutputs !== true) return 'vanished' as const;
    if (!hasCode(error, 'FormatMistaken') || event.attempt >= ATTEMPTS) throw error;
    return 'mistaken' as const;
  });
  if (outcome === 'vanished') return fromOutputs(event, request.destination);
  if (outcome === 'mistaken') return lost({ ...event, samplesAll: true }, request.destination);
  if (outcome !== 'lost') return { status: 'done', outcome };
  const { generation, request: asked } = event;
  // The answer of an attempt that committed may have been lost. A repack that is done is not asked for again.
  const isDone =
    request.repack === true && generation !== undefined && (await isRepacked(request, generation, context));
  return lost(isDone ? { ...event, request: { ...asked, repack: false } } : event, request.destination);
}

/**
 * Writes a batch of outputs.
 *
 * @throws RollupError `Timeout` where there was no time for all of them: the next attempt finds those that were written;
 * `NoProgress` where there was no time for one. `BadPlan` as `commitStep` does, and for items of another plan: the map reads
 * them from a file that is not pinned.
 */
export async function writeStep(
  event: Extract<StepEvent, { step: 'write' }>,
  request: RollupRequest,
  context: Omit<RollupContext, 'now'>,
): Promise<{ status: 'written' | 'lost'; warnings?: RunWarning[] }> {
  const { items } = event;
  const plan = planOf(event, request);
  const stray = items.find((item) => item.plan !== event.plan);
  if (stray !== undefined)
    throw badPlan(planFiles(plan.at).items.key, `it has an item of ${stray.plan}, which is another plan`);
  const step = await writeItems(plan, items, request, context);
  if (step.status === 'incomplete') throw outOfTime(step.counts.written + step.counts.copied);
  const noticed = step.status === 'lost' ? [] : step.warnings;
  return { status: step.status, ...(noticed.length === 0 ? {} : { warnings: noticed }) };
}

/** Throws `InvalidArgument`, and `BadPlan` for a plan that is not under the request's destination. */
function planOf(
  { plan, etag }: Pick<Extract<StepEvent, { step: 'commit' }>, 'plan' | 'etag'>,
  { destination }: RollupRequest,
): PinnedPlan {
  const at = parsePlanAt(plan);
  const planned = formatLocation(at.destination);
  const requested = formatLocation(destination);
  if (planned === requested) return { at, etag };
  throw badPlan(planFiles(at).header.key, `it lies under ${planned}, and the request is for ${requested}`);
}

/** What a plan step is asked for, and what the next one is. */
type Asked = Pick<
  Extract<StepEvent, { step: 'plan' }>,
  'attempt' | 'request' | 'samplesAll' | 'readsOutputs'
>;

function lost(
  { attempt, request, samplesAll, readsOutputs = false }: Asked,
  destination: Location,
): StepAnswer {
  if (attempt >= ATTEMPTS) throw lostToOthers(destination);
  return { status: 'lost', attempt: attempt + 1, request, samplesAll, readsOutputs };
}

/**
 * Plans again, and reads what is committed from the outputs that hold it. That is done once, and is no attempt; but in an
 * execution that an earlier release began, whose definition does not hand it on, it could be done for ever.
 */
function fromOutputs(event: Asked, destination: Location): StepAnswer {
  if (event.readsOutputs === undefined) return lost({ ...event, readsOutputs: true }, destination);
  const { attempt, request, samplesAll } = event;
  return { status: 'lost', attempt, request, samplesAll, readsOutputs: true };
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

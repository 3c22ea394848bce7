import { RollupError } from '../../errors.ts';
import { keysOf } from '../codec/sidecar.ts';
import { deleteUnnamed } from '../commit/cleanup.ts';
import { afterCommit } from '../commit/after-commit.ts';
import { commit, unlessLost } from '../commit/commit.ts';
import { Draft } from '../commit/draft.ts';
import { readCommitted } from '../committed/read-committed.ts';
import { listByKey, unlisted } from '../committed/read-destination.ts';
import { inOrder } from '../../concurrency.ts';
import type { Location } from '../model/location.ts';
import type { WrittenOutput } from '../model/output.ts';
import type { RollupContext, RollupOutcome, RollupRequest } from '../model/run.ts';
import { findExisting } from '../write/existing-output.ts';
import { CommitCheck } from './check-commit.ts';
import { type LineCheck, checkBasis, checkHeader, createLineCheck, settingsOf } from './check-plan.ts';
import type { PinnedPlan, PlanHeader, PlanLine } from './plan-file.ts';
import { isPlanGone, readHeader, readLines, removePlan } from './plan-store.ts';

/** Outputs that are looked up at once. */
const LOOKUPS = 64;

type StepContext = Omit<RollupContext, 'hasTime'>;

/**
 * The last step of a rollup that many carry out: looks for every planned output in the destination, commits them, and does
 * the work after a commit. In the end the plan's files are deleted, whichever run committed.
 *
 * @param plan the plan, pinned by its ETag
 * @param request the same request as that of `planToFile`: a plan for another is refused
 * @param context as for `rollUp`, without a time limit
 * @returns the outcome; `lost`, if another run has committed since the plan was made
 * @throws RollupError `OutputMissing` if a planned output does not exist; `BadPlan` for a plan that is not one for this
 *   request, before anything is committed or deleted
 */
export async function commitPlan(
  plan: PinnedPlan,
  request: RollupRequest,
  context: StepContext,
): Promise<RollupOutcome | 'lost'> {
  const { at } = plan;
  const { store, signal } = context;
  const { source, destination } = request;
  const header = await readHeader(store, plan, signal);
  // A plan is removed only after the manifest that it was made from has been replaced.
  if (header === undefined) return 'lost';
  checkHeader(header, at, request);
  const settings = settingsOf(header, at, context);
  const previous = await readCommitted(store, destination, source);
  if ((previous?.etag ?? null) !== header.previous) {
    const check = createLineCheck(header, at, request, { settings, basis: 'replaced' });
    await giveUp(plan, header, check, context);
    return 'lost';
  }
  const sealed = checkBasis(header, at, previous?.manifest);
  const check = createLineCheck(header, at, request, { settings, basis: previous?.manifest });
  // The listing comes before the commit, so that it has no objects of runs that plan from the new manifest.
  const present = await listByKey(store, destination, signal);
  const { generation, skipped } = header;
  const missing = new Set(unlisted(previous, present));
  const state = { previous, present, listingBegan: new Date(header.listingBegan), missing };
  const draft = new Draft({ generation, skipped, sealed }, previous);
  const keys: string[] = [];
  const result = await unlessLost(request, context, { previous, keys }, async () => {
    const commitCheck = await CommitCheck.open(header, at, previous, sealed, signal);
    async function* checkedLines(stopped: AbortSignal): AsyncGenerator<PlanLine> {
      for await (const line of readLines(store, at, header as PlanHeader, stopped)) {
        check(line.output);
        commitCheck.add(line.output);
        yield line;
      }
      await commitCheck.close();
    }
    for await (const output of existingOutputs(checkedLines, destination, keys, context))
      await draft.add(output);
    return commit(request, { ...context, settings }, draft, previous);
  }).catch((error: unknown) => {
    if (isPlanGone(error, at)) return { status: 'lost' as const };
    throw error;
  });
  const outcome = await afterCommit(request, context, { state, result, peakInFlightBytes: 0 });
  await removePlan(store, at);
  return outcome;
}

/** Deletes the outputs of a plan whose manifest has been replaced, and the plan. Throws `BadPlan`. */
async function giveUp(
  { at }: PinnedPlan,
  header: PlanHeader,
  check: LineCheck,
  { store, signal }: StepContext,
): Promise<void> {
  const { destination } = at;
  const outputKeys: string[] = [];
  try {
    for await (const { output } of readLines(store, at, header, signal)) {
      check(output);
      outputKeys.push(...keysOf(output, destination));
    }
  } catch (error) {
    // The run that committed instead has swept it in the meantime, and with it the outputs that were written for it.
    if (isPlanGone(error, at)) return;
    throw error;
  }
  await deleteUnnamed(store, destination, outputKeys);
  await removePlan(store, at);
}

/** Finds every output of the plan in the destination, in the order of the plan; adds their keys to `keys`. */
function existingOutputs(
  lines: (stopped: AbortSignal) => AsyncIterable<PlanLine>,
  destination: Location,
  keys: string[],
  { store, signal }: StepContext,
): AsyncGenerator<WrittenOutput> {
  const stop = new AbortController();
  const stopped = AbortSignal.any([stop.signal, signal]);
  const find = async ({ output, stood: existedBefore }: PlanLine): Promise<WrittenOutput> => {
    keys.push(...keysOf(output, destination));
    stopped.throwIfAborted();
    const found = await findExisting(output, { store, destination, present: undefined, signal: stopped });
    if (found === undefined) throw outputMissing(output.key);
    const how = existedBefore ? 'reused' : output.mode === 'copy' ? 'copied' : 'written';
    return { ...found, how };
  };
  return inOrder(lines(stopped), LOOKUPS, stop, find);
}

function outputMissing(key: string): RollupError {
  const message = `${key} is planned and is not there. Run again: what is written is kept.`;
  return new RollupError('OutputMissing', message, { key });
}

import { RollupError, hasCode } from '../../errors.ts';
import { keysOf } from '../codec/sidecar.ts';
import { afterCommit } from '../commit/after-commit.ts';
import { commit, committedVanished, isLost, unlessLost } from '../commit/commit.ts';
import { Draft } from '../commit/draft.ts';
import { readCommitted } from '../committed/read-committed.ts';
import { readManifest } from '../committed/read-manifest.ts';
import { listByKey, unlisted } from '../committed/read-destination.ts';
import { inOrder } from '../../concurrency.ts';
import { untilStopped } from '../model/endpoints.ts';
import type { Location } from '../model/location.ts';
import type { WrittenOutput } from '../model/output.ts';
import type { RollupContext, RollupOutcome, RollupRequest, RunProblem } from '../model/run.ts';
import { findExisting } from '../write/existing-output.ts';
import { CommitCheck } from './check-commit.ts';
import { checkBasis, checkHeader, createLineCheck, settingsOf } from './check-plan.ts';
import { giveUp, leftByMistakenPlans } from './give-up.ts';
import { type PinnedPlan, type PlanAt, type PlanHeader, type PlanLine, planFiles } from './plan-file.ts';
import { isPlanGone, readHeader, readLines, readMistake, removePlan } from './plan-store.ts';

/** Outputs that are looked up at once. */
const LOOKUPS = 64;

type StepContext = Omit<RollupContext, 'hasTime'>;

/**
 * The last step of a rollup that many carry out: looks for every planned output in the destination, commits them, and does
 * the work after a commit. In the end the plan's files are deleted, whichever run committed. A mistaken plan stays as it is,
 * and goes after the commit of the next one, with the outputs that were written for it.
 *
 * @param plan the plan, pinned by its ETag
 * @param given the same request as that of `planToFile`: a plan for another is refused
 * @param stepContext as for `rollUp`, without a time limit
 * @returns the outcome; `lost`, if another run has committed since the plan was made
 * @throws RollupError `OutputMissing` if a planned output does not exist; `BadPlan` for a plan that is not one for this
 *   request, before anything is committed or deleted; `FormatMistaken` if a write step found a source to be of another format
 *   than it was planned as: the hour has to be planned again, with `samplesAll`. `SourceVanished` if it found one gone; as a
 *   `CommittedVanished` where an output holds it, so that the hour can be planned again, with `readsOutputs`
 */
export async function commitPlan(
  plan: PinnedPlan,
  given: RollupRequest,
  stepContext: StepContext,
): Promise<RollupOutcome | 'lost'> {
  const context = untilStopped(stepContext);
  const { at } = plan;
  const { store, signal } = context;
  const header = await readHeader(store, plan, signal);
  // A plan is removed only after the manifest that it was made from has been replaced.
  if (header === undefined) return 'lost';
  const request = checkHeader(header, at, given);
  const { source, destination } = request;
  const settings = settingsOf(header, at, context);
  const previous = await readCommitted(store, destination, source);
  if ((previous?.etag ?? null) !== header.previous) {
    const check = createLineCheck(header, at, request, { settings, basis: 'replaced' });
    await giveUp(at, header, check, context, previous?.manifest);
    return 'lost';
  }
  const sealed = checkBasis(header, at, previous?.manifest);
  const check = createLineCheck(header, at, request, { settings, basis: previous?.manifest });
  // The listing comes before the commit, so that it has no objects of runs that plan from the new manifest.
  const present = await listByKey(store, destination, signal);
  if (present.has(planFiles(at).mistaken.key)) {
    // It stays: this step may be repeated, and only its lines tell of the outputs that were written for it.
    const mistake = await readMistake(store, at);
    if (mistake === undefined) return 'lost';
    let vanished: Error | undefined;
    try {
      vanished = await committedVanished(mistake, previous);
    } catch (error) {
      // The index that tells if the source is committed goes with the commit of another run.
      if (await isLost(error, request, context, previous)) return 'lost';
      throw error;
    }
    throw vanished ?? mistake;
  }
  const { generation, skipped } = header;
  const listingBegan = new Date(header.listingBegan);
  const missing = new Set(unlisted(previous, present));
  const state = { source, warnings: [], lists: 0, previous, present, listingBegan, missing };
  const draft = new Draft({ generation, skipped, sealed }, previous);
  const keys: string[] = [];
  const result = await unlessLost(request, context, { previous, draft, keys }, async () => {
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
    const soFar = { peakInFlightBytes: undefined, plannedAt: listingBegan };
    return commit(request, { ...context, settings }, draft, previous, soFar);
  }).catch((error: unknown) => {
    if (isPlanGone(error, at)) return { status: 'lost' as const };
    throw error;
  });
  // Before the sweep, which may delete the files of an old plan and leave its young outputs.
  const left =
    result.status === 'committed'
      ? await leftByMistakenPlans(request, context, { replaced: header.previous, present })
      : { keys: [], problems: [] };
  const run = { state, result, peakInFlightBytes: 0, abandoned: left.keys };
  const outcome = await afterCommit(request, context, run);
  const unremoved = await failureToRemove(at, context);
  if (outcome === 'lost') return outcome;
  const problems = [...left.problems, ...(outcome.problems ?? []), ...unremoved];
  return problems.length === 0 ? outcome : { ...outcome, problems };
}

/**
 * Deletes the plan's files. A failure is a problem, as it is with all that follows a commit: the files are swept later.
 * Throws where the run was stopped.
 */
async function failureToRemove(at: PlanAt, { store, signal }: StepContext): Promise<RunProblem[]> {
  try {
    await removePlan(store, at);
    return [];
  } catch (error) {
    if (!(error instanceof RollupError) || signal.aborted || hasCode(error, 'Aborted')) throw error;
    return [error.toJSON()];
  }
}

/**
 * True if the current commit is of this generation or a later one: the repack that was planned to be of it is done, by the
 * plan's own commit, whose answer was lost, or by another run.
 */
export async function isRepacked(
  { destination }: Pick<RollupRequest, 'destination'>,
  generation: number,
  { store }: Pick<StepContext, 'store'>,
): Promise<boolean> {
  const current = await readManifest(store, destination);
  return current !== undefined && current.manifest.generation >= generation;
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

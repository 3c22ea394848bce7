import { RollupError, hasCode } from '../../errors.ts';
import { keysOf } from '../codec/sidecar.ts';
import { deleteLosers } from '../commit/cleanup.ts';
import type { Manifest } from '../model/manifest.ts';
import type { RollupContext, RollupRequest, RunProblem } from '../model/run.ts';
import type { ListedObject } from '../model/store.ts';
import { type LineCheck, checkHeader, createLineCheck, settingsOf } from './check-plan.ts';
import { type PinnedPlan, type PlanAt, type PlanHeader, mistakenPlans, planFiles } from './plan-file.ts';
import { isPlanGone, readHeader, readLines, removePlan } from './plan-store.ts';

/*
 * Plans that nobody can carry out any more. Their lines are the only list of the outputs that were written for them. Once
 * the manifest that such a plan was made from has been replaced, nobody can commit one of them, and they may go: see
 * docs/decisions/0001-keys-are-bound-to-a-commit.md.
 */

type StepContext = Pick<RollupContext, 'store' | 'settings' | 'signal'>;

/**
 * Deletes the outputs of a plan whose manifest has been replaced, and the plan. Throws `BadPlan`.
 *
 * @param current the manifest that stands instead; undefined where there is none
 */
export async function giveUp(
  at: PlanAt,
  header: PlanHeader,
  check: LineCheck,
  context: StepContext,
  current: Manifest | undefined,
): Promise<void> {
  const keys = await outputKeys(at, header, check, context);
  // The run that committed instead has swept it in the meantime, and with it the outputs that were written for it.
  if (keys === undefined) return;
  const { store } = context;
  await deleteLosers(store, at.destination, keys, current);
  await removePlan(store, at).catch((error: unknown) => {
    // Where the outputs may not be deleted, the plan may not either: the sweep tells of both.
    if (!hasCode(error, 'AccessDenied')) throw error;
  });
}

/**
 * The keys of what the mistaken plans left behind that were made from the manifest which a commit of this request has just
 * replaced: their outputs, and then their files. A plan that was made from another manifest is left to the sweep.
 *
 * @param replaced ETag of that manifest; null where there was none
 * @param present the destination as it was listed before the commit: a plan's header is read as it was then
 * @returns `problems`: of plans that could not be read, or are none of this rollup; they are left where they are
 * @throws RollupError only where the run was stopped
 */
export async function leftByMistakenPlans(
  request: RollupRequest,
  context: StepContext,
  { replaced, present }: { replaced: string | null; present: ReadonlyMap<string, ListedObject> },
): Promise<{ keys: string[]; problems: RunProblem[] }> {
  const keys: string[] = [];
  const problems: RunProblem[] = [];
  for (const at of mistakenPlans(request.destination, present.keys())) {
    const files = planFiles(at);
    const etag = present.get(files.header.key)?.etag;
    if (etag === undefined) continue;
    try {
      const outputs = await outputsReplaced({ at, etag }, request, context, replaced);
      if (outputs !== undefined) keys.push(...outputs, ...Object.values(files).map(({ key }) => key));
    } catch (error) {
      if (!(error instanceof RollupError) || context.signal.aborted || hasCode(error, 'Aborted')) throw error;
      problems.push(error.toJSON());
    }
  }
  return { keys, problems };
}

/** The keys of a plan's outputs; undefined if it is gone, or was not made from the manifest `replaced`. Throws `BadPlan`. */
async function outputsReplaced(
  plan: PinnedPlan,
  given: RollupRequest,
  context: StepContext,
  replaced: string | null,
): Promise<string[] | undefined> {
  const { at } = plan;
  const header = await readHeader(context.store, plan, context.signal);
  if (header === undefined || header.previous !== replaced) return undefined;
  // Another run of the hour may have been asked for a repack, or for none.
  const request = checkHeader(header, at, { ...given, repack: header.repack });
  const settings = settingsOf(header, at, context);
  const check = createLineCheck(header, at, request, { settings, basis: 'replaced' });
  return outputKeys(at, header, check, context);
}

/** The keys of a plan's outputs, each of which is checked; undefined if the plan is gone. Throws `BadPlan`. */
async function outputKeys(
  at: PlanAt,
  header: PlanHeader,
  check: LineCheck,
  { store, signal }: StepContext,
): Promise<string[] | undefined> {
  const keys: string[] = [];
  try {
    for await (const { output } of readLines(store, at, header, signal)) {
      check(output);
      keys.push(...keysOf(output, at.destination));
    }
  } catch (error) {
    if (isPlanGone(error, at)) return undefined;
    throw error;
  }
  return keys;
}

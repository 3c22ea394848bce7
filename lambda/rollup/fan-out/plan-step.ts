import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { MiB } from '../../size.ts';
import { afterCommit } from '../commit/after-commit.ts';
import { commit, committedVanished, isLost, unlessLost } from '../commit/commit.ts';
import { Draft } from '../commit/draft.ts';
import { refuseUnlistable } from '../commit/markers.ts';
import { readDestination } from '../committed/read-destination.ts';
import { untilStopped } from '../model/endpoints.ts';
import { formatLocation, refuseOverlap } from '../model/location.ts';
import type { PlannedOutput } from '../model/output.ts';
import type {
  DestinationState,
  RollupContext,
  RollupOutcome,
  RollupRequest,
  RunWarning,
} from '../model/run.ts';
import { createPlanner, listAndPlan } from '../plan/list-and-plan.ts';
import { warnOfEmpty } from '../plan/warn-of-empty.ts';
import {
  type PinnedPlan,
  type PlanAt,
  formatHeader,
  formatItems,
  formatLine,
  formatSealed,
  planFiles,
} from './plan-file.ts';

/** Part size of the upload of a plan: 10,000 parts are 80 GB. */
const PART_SIZE = 8 * MiB;

type StepContext = Omit<RollupContext, 'hasTime'>;

/** A plan that is ready to be carried out by many processes, with the totals of its outputs. */
export interface WrittenPlan extends PinnedPlan {
  status: 'planned';
  /** The generation of the commit that it leads to: one more than the last one's for a repack. */
  generation: number;
  totals: { outputs: number; objects: number; bytes: number };
  /** What a person should look at. */
  warnings: RunWarning[];
}

/** The result of planning: `done` if there is nothing to write; `lost` if another run committed meanwhile. */
export type PlanStep = WrittenPlan | { status: 'done'; outcome: RollupOutcome } | { status: 'lost' };

/**
 * The first step of a rollup that many carry out: lists the sources, plans the outputs and writes the plan to files in the
 * destination, all as a stream. Each plan has files of its own, so that nobody reads half of one and half of another. Two
 * plans of one listing have the same output keys, so that outputs of an earlier attempt are found and reused.
 *
 * @param given the two prefixes, neither of which may begin with the other
 * @param stepContext as for `rollUp`, without a time limit
 * @returns `planned` with the place of the plan; `done` with the outcome, if there is nothing to write; `lost`, if another
 *   run committed meanwhile
 * @throws RollupError as `rollUp` does before its first download; `CommittedVanished` where a source has left raw that is
 *   committed: the hour can be planned again, with `readsOutputs`
 */
export async function planToFile(given: RollupRequest, stepContext: StepContext): Promise<PlanStep> {
  const context = untilStopped(stepContext);
  refuseOverlap(given.source, given.destination);
  refuseUnlistable(given.destination, context.settings);
  const state = await readDestination(given, context);
  const request = { ...given, source: state.source };
  try {
    return await planFrom(request, context, state);
  } catch (error) {
    // What it read may have been deleted by a commit in between.
    if (await isLost(error, request, context, state.previous)) return { status: 'lost' };
    throw (context.signal.aborted ? undefined : await committedVanished(error, state.previous)) ?? error;
  }
}

async function planFrom(
  request: RollupRequest,
  context: StepContext,
  state: DestinationState,
): Promise<PlanStep> {
  const { store, settings, signal } = context;
  const { source, destination, repack = false } = request;
  const at: PlanAt = { destination, id: randomBytes(8).toString('hex') };
  const { previous, present, listingBegan } = state;
  const planner = createPlanner(request, context, state);
  const planned = listAndPlan(request, context, planner, previous);

  const first = await planned.next();
  if (first.done === true) {
    // An empty hour, or one of which nothing is new.
    const draft = new Draft(planner, previous);
    const warnings: RunWarning[] = [...state.warnings];
    const result = await unlessLost(request, context, { previous, draft, keys: [] }, async () => {
      if (draft.isEmpty) warnings.push((await warnOfEmpty(source, context, planner)).warning);
      const soFar = { peakInFlightBytes: 0, plannedAt: listingBegan };
      return commit(request, context, draft, previous, soFar);
    });
    const outcome = await afterCommit(request, context, { state, result, peakInFlightBytes: 0, warnings });
    return outcome === 'lost' ? { status: 'lost' } : { status: 'done', outcome };
  }

  const totals = { outputs: 0, objects: 0, bytes: 0 };
  const lengths: number[] = [];
  async function* lines(output: PlannedOutput): AsyncGenerator<Buffer> {
    for (let next: IteratorResult<PlannedOutput, unknown> = { value: output }; next.done !== true;) {
      const { key, pieces, size } = next.value;
      const line = formatLine({ output: next.value, stood: present.has(key) });
      totals.outputs++;
      totals.objects += pieces.length;
      totals.bytes += size;
      lengths.push(line.length);
      yield line;
      next = await planned.next();
    }
  }
  const files = planFiles(at);
  const upload = { partSize: PART_SIZE, metadata: {}, own: {} };
  const wroteLines = await store.uploadStream(files.lines, lines(first.value), upload, signal);
  const items = Readable.from(formatItems(at, lengths));
  const wroteItems = await store.uploadStream(files.items, items, upload, signal);
  const { generation, sealed, skipped } = planner;
  const header = formatHeader({
    source: formatLocation(source),
    destination: formatLocation(destination),
    repack,
    previous: previous?.etag ?? null,
    generation,
    sealed: formatSealed(sealed),
    skipped,
    listingBegan: listingBegan.toISOString(),
    settings: { ...settings },
    totals,
    lines: { etag: wroteLines.etag, size: wroteLines.size },
    items: { etag: wroteItems.etag, size: wroteItems.size },
  });
  const { etag } = await store.put(files.header, header, 'application/json');
  return {
    status: 'planned',
    at,
    etag,
    generation,
    totals,
    warnings: [...state.warnings, ...planner.joined.warnings],
  };
}

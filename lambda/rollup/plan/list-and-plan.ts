import { readDestination } from '../committed/read-destination.ts';
import type { SourcesReader } from '../model/manifest.ts';
import { isSuperseded } from '../committed/read-committed.ts';
import { sourceStore } from '../model/endpoints.ts';
import type { Report } from '../model/events.ts';
import type { Rollup, StoredSource } from '../model/manifest.ts';
import type { Piece, PlannedOutput } from '../model/output.ts';
import type { RollupContext, RollupRequest } from '../model/run.ts';
import { type DestinationState } from '../model/run.ts';
import { type Pair, sideBySide } from '../model/side-by-side.ts';
import type { ListedObject } from '../model/store.ts';
import { type List, type ListingProgress, listAtOnce } from './list.ts';
import { measureRatios } from './measure-ratios.ts';
import { type Plan, Planner } from './planner.ts';
import type { Noted } from './reconcile.ts';
import { refuseUnreadable } from './refuse.ts';

type PlanContext = Pick<RollupContext, 'store' | 'raw' | 'settings' | 'now' | 'report' | 'signal'>;

export function createPlanner(
  { source, destination, repack = false }: RollupRequest,
  { settings }: PlanContext,
  { previous }: DestinationState,
): Planner {
  return new Planner({ committed: previous, source, destination, settings, repack });
}

/**
 * Lists the source prefix, and yields outputs as they are planned: on a first run, and on a repack without a codec, the
 * first one long before the last page. Otherwise all of it is compared with what is committed first. Throws
 * `SourceNotJoinable`, `SourceArchived` before it yields an output that holds such a source.
 */
export async function* listAndPlan(
  { source, destination }: RollupRequest,
  { report, signal, ...sides }: PlanContext,
  planner: Planner,
  previous: Rollup | undefined,
): AsyncGenerator<PlannedOutput> {
  const total = { objects: 0, bytes: 0, outputs: 0 };
  const take = (outputs: PlannedOutput[]): PlannedOutput[] => {
    refuseUnreadable(outputs);
    total.outputs += outputs.length;
    total.objects += outputs.reduce((sum, { pieces }) => sum + pieces.length, 0);
    total.bytes += outputs.reduce((sum, { size }) => sum + size, 0);
    return outputs;
  };
  const raw = sourceStore(sides);
  const list: List = (after, stop) => raw.list(source, AbortSignal.any([signal, stop]), after);
  const pages = listAtOnce(list, source.prefix, reportListing(planner.plansAtOnce, report));
  const context = { ...sides, source, destination, signal };
  if (previous === undefined) {
    let isFirstPage = true;
    for await (const page of pages) {
      // Where later pages end depends on how fast they came.
      await measureRatios(planner.weights, asPieces(page, planner), isFirstPage ? 'some' : 'first', context);
      isFirstPage = false;
      yield* take(planner.add(page));
    }
  } else {
    const { sources } = previous;
    const committed = sources.inKeyOrder({ signal, last: planner.plansAtOnce });
    for await (const pairs of sideBySide(pages, committed)) yield* take(planner.compare(pairs));
    if (planner.hasMore) {
      report({ type: 'planned', ...planner.extent, outputs: undefined });
      if (planner.weights.encoding !== undefined) {
        for await (const pairs of again(planner, sources, false, signal)) planner.sample(pairs);
        await measureRatios(planner.weights, planner.samples, 'some', context);
      }
      for await (const pairs of again(planner, sources, true, signal)) yield* take(planner.pack(pairs));
    }
  }
  const last = take(planner.end());
  report({ type: 'planned', ...total });
  yield* last;
}

/** What was noted of raw, beside what is committed where an output of that is unsealed. `last`: for the last time. */
function again(
  planner: Planner,
  sources: SourcesReader,
  last: boolean,
  signal: AbortSignal,
): AsyncGenerator<Pair<Noted, StoredSource>[]> {
  const committed = planner.hasUnsealed ? sources.inKeyOrder({ signal, last }) : nothing();
  return sideBySide(asAsync(planner.noted(last)), committed);
}

async function* nothing(): AsyncGenerator<never> {
  // No output is unsealed.
}

async function* asAsync<T>(items: Iterable<T>): AsyncGenerator<T> {
  for (const item of items) yield await Promise.resolve(item);
}

function asPieces(page: ListedObject[], planner: Planner): Piece[] {
  return page
    .filter(({ key, size }) => size > 0 && planner.isSelected(key))
    .map((source) => ({ source, from: undefined }));
}

/** On a first run, what is to be done is known once all is listed, and on a repack nearly so. */
function reportListing(plansAtOnce: boolean, report: Report): ListingProgress {
  const listed = { objects: 0, bytes: 0 };
  let empty = 0;
  return {
    listed: (page) => {
      listed.objects += page.length;
      listed.bytes += page.reduce((sum, { size }) => sum + size, 0);
      empty += page.filter(({ size }) => size === 0).length;
      report({ type: 'listed', ...listed });
    },
    ended: () => {
      const { objects, bytes } = listed;
      if (plansAtOnce) report({ type: 'planned', objects: objects - empty, bytes, outputs: undefined });
    },
  };
}

export interface FullPlan extends DestinationState {
  plan: Plan;
}

/** All that a run would do; writes nothing. Throws as `listAndPlan` does. */
export async function planAll(request: RollupRequest, context: PlanContext): Promise<FullPlan> {
  const { store } = context;
  for (;;) {
    const before = await readDestination(request, context);
    const planner = createPlanner(request, context, before);
    try {
      const planned = await Array.fromAsync(listAndPlan(request, context, planner, before.previous));
      const { generation, sealed, skipped, filtered } = planner;
      return { ...before, plan: { generation, sealed, planned, skipped, filtered } };
    } catch (error) {
      const { previous } = before;
      if (previous === undefined || !(await isSuperseded(store, request.destination, previous, error)))
        throw error;
    }
  }
}

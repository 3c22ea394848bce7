import { readCommitted } from './committed.ts';
import type { Report } from './events.ts';
import { type List, type ListingProgress, listAtOnce } from './list-at-once.ts';
import type { Location } from './location.ts';
import type { Rollup } from './manifest.ts';
import { measure } from './measure.ts';
import type { Piece, PlannedOutput } from './pack.ts';
import { type Plan, Planner } from './plan.ts';
import { refuseUnreadable } from './refuse.ts';
import type { RollupContext, RollupRequest } from './rollup.ts';
import { rawOf } from './sides.ts';
import type { ListedObject, Store } from './store.ts';

type SurveyContext = Pick<RollupContext, 'store' | 'raw' | 'settings' | 'now' | 'report' | 'signal'>;

/** What is there before a run looks at its sources. */
export interface Before {
  /** What is committed. */
  previous: Rollup | undefined;
  /** The destination, by key, listed after the manifest was read. */
  present: Map<string, ListedObject>;
  listingBegan: Date;
}

/** Reads what is committed and lists the destination. */
export async function readBefore(
  { source, destination }: RollupRequest,
  { store, now, signal }: SurveyContext,
): Promise<Before> {
  const previous = await readCommitted(store, destination, source);
  const listingBegan = now();
  return { previous, present: await listPresent(store, destination, signal), listingBegan };
}

/** The destination, by key. */
export async function listPresent(
  store: Store,
  destination: Location,
  signal: AbortSignal,
): Promise<Map<string, ListedObject>> {
  const present = new Map<string, ListedObject>();
  for await (const page of store.list(destination, signal)) {
    for (const object of page) present.set(object.key, object);
  }
  return present;
}

export function createPlanner(
  { source, destination, repack = false }: RollupRequest,
  { settings }: SurveyContext,
  { previous }: Before,
): Planner {
  return new Planner({ committed: previous, source, destination, settings, repack });
}

/**
 * Lists the source prefix, and yields outputs as they are planned: on a first run, the first one long before the last
 * page. Throws `SourceNotJoinable`, `SourceArchived` before it yields an output that holds such a source.
 */
export async function* planSources(
  { source, destination }: RollupRequest,
  { report, signal, ...sides }: SurveyContext,
  planner: Planner,
): AsyncGenerator<PlannedOutput> {
  const total = { objects: 0, bytes: 0, outputs: 0 };
  const take = (outputs: PlannedOutput[]): PlannedOutput[] => {
    refuseUnreadable(outputs);
    total.outputs += outputs.length;
    total.objects += outputs.reduce((sum, { pieces }) => sum + pieces.length, 0);
    total.bytes += outputs.reduce((sum, { size }) => sum + size, 0);
    return outputs;
  };
  const raw = rawOf(sides);
  const list: List = (after, stop) => raw.list(source, AbortSignal.any([signal, stop]), after);
  const pages = listAtOnce(list, source.prefix, reportListing(planner.isFirst, report));
  const context = { ...sides, source, destination, signal };
  let isFirstPage = true;
  for await (const page of pages) {
    // Nothing is read of what is committed already. Where later pages end depends on how fast they came.
    if (planner.isFirst)
      await measure(planner.weights, asPieces(page, planner), isFirstPage ? 'some' : 'first', context);
    isFirstPage = false;
    yield* take(planner.add(page));
  }
  await measure(planner.weights, planner.pending(), 'some', context);
  const last = take(planner.end());
  report({ type: 'planned', ...total });
  yield* last;
}

function asPieces(page: ListedObject[], planner: Planner): Piece[] {
  return page
    .filter(({ key, size }) => size > 0 && planner.isSelected(key))
    .map((source) => ({ source, from: undefined }));
}

/** On a first run, what is to be done is known once all is listed. */
function reportListing(isFirst: boolean, report: Report): ListingProgress {
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
      if (isFirst) report({ type: 'planned', objects: objects - empty, bytes, outputs: undefined });
    },
  };
}

export interface Survey extends Before {
  plan: Plan;
}

/** All that a run would do; writes nothing. Throws as `planSources` does. */
export async function survey(request: RollupRequest, context: SurveyContext): Promise<Survey> {
  const before = await readBefore(request, context);
  const planner = createPlanner(request, context, before);
  const planned = await Array.fromAsync(planSources(request, context, planner));
  const { generation, sealed, skipped, filtered } = planner;
  return { ...before, plan: { generation, sealed, planned, skipped, filtered } };
}

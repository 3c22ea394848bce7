import { isSuperseded } from '../committed/read-committed.ts';
import { readDestination } from '../committed/read-destination.ts';
import { sourceStore, untilStopped } from '../model/endpoints.ts';
import type { Report } from '../model/events.ts';
import type { Rollup, SourcesReader, StoredSource } from '../model/manifest.ts';
import type { Piece, PlannedOutput } from '../model/output.ts';
import type { DestinationState, RollupContext, RollupRequest } from '../model/run.ts';
import { type Pair, sideBySide } from '../model/side-by-side.ts';
import type { ListedObject } from '../model/store.ts';
import { askRestored, askRestoredPairs, fromOutput } from './archive-states.ts';
import { type List, type ListingProgress, listAtOnce } from './list.ts';
import { measureRatios } from '../sample/measure-ratios.ts';
import { type Plan, Planner } from './planner.ts';
import type { PendingObject } from './reconcile.ts';
import { refuseUnreadable } from './refuse.ts';
import { sampleFormats } from '../sample/read-formats.ts';
import { warnOfEmpty } from './warn-of-empty.ts';

type PlanContext = Pick<
  RollupContext,
  'store' | 'raw' | 'settings' | 'now' | 'report' | 'signal' | 'samplesAll' | 'readsOutputs'
>;

/** A planner for one attempt at a request, from what is committed now. */
export function createPlanner(
  { source, destination, repack = false }: RollupRequest,
  { settings, samplesAll = false }: PlanContext,
  { previous, missing }: DestinationState,
): Planner {
  return new Planner({ committed: previous, source, destination, settings, repack, samplesAll, missing });
}

/**
 * Lists the source prefix and yields outputs as they are planned. On a first run, and on a repack without a codec, the
 * first output comes long before the last page is listed. Otherwise all of the listing is compared with the committed
 * sources first. The first bytes of a few sources are read to tell their formats. Throws `SourceNotJoinable`,
 * `SourceNotDecodable`, `SourceCorrupt`, `CodecConflict` or `SourceArchived` before it yields an output that holds, or would
 * hold, such a source.
 */
export async function* listAndPlan(
  { source, destination, repack = false }: RollupRequest,
  { report, signal, settings, now, readsOutputs = false, ...endpoints }: PlanContext,
  planner: Planner,
  previous: Rollup | undefined,
): AsyncGenerator<PlannedOutput> {
  const total = { objects: 0, bytes: 0, outputs: 0 };
  const checkAndCount = (outputs: PlannedOutput[]): PlannedOutput[] => {
    refuseUnreadable(outputs, planner.refused, settings);
    for (const { pieces, size } of outputs) {
      total.outputs++;
      total.objects += pieces.length;
      total.bytes += size;
    }
    for (const output of outputs) planner.joined.add(output);
    return outputs;
  };
  const raw = sourceStore(endpoints);
  const list: List = (after, stop) => raw.list(source, AbortSignal.any([signal, stop]), after);
  const pages = listAtOnce(list, source.prefix, reportListing(planner.plansWhileListing, report));
  const context = { ...endpoints, source, destination, settings, signal };
  const tell = (pieces: Piece[]): Promise<void> => sampleFormats(planner.formats, pieces, context);
  const archive = { store: raw, bucket: source.bucket, concurrency: settings.concurrency, signal };
  const isWanted = (object: ListedObject): boolean => planner.isTaken(object);
  if (previous === undefined) {
    let isFirstPage = true;
    for await (const listed of pages) {
      const page = await askRestored(listed, isWanted, archive);
      // Sources of a form that the first page lacks are measured by their first one alone: where later pages end depends
      // on how fast they came, and the outputs must not.
      const samples = isFirstPage ? 'some' : 'first';
      const pieces = planner.piecesOf(page.map((object) => [object, undefined]));
      await tell(pieces);
      await measureRatios(planner.weights, planner.weights.unmeasured(pieces), samples, context);
      isFirstPage = false;
      yield* checkAndCount(planner.add(page));
    }
  } else {
    const { sources } = previous;
    const committed = sources.inKeyOrder({ signal, last: planner.plansWhileListing });
    for await (const found of sideBySide(pages, committed)) {
      const asked = await askRestoredPairs(found, isWanted, { ...archive, repack, now: now() });
      const pairs = readsOutputs ? asked.map(fromOutput) : asked;
      if (planner.plansWhileListing) await tell(planner.piecesOf(pairs));
      yield* checkAndCount(planner.compare(pairs));
    }
    if (planner.needsSecondPass) {
      report({ type: 'planned', ...planner.secondPassTotals, outputs: undefined });
      if (planner.weights.encoding !== undefined) {
        for await (const pairs of secondPass(planner, sources, false, signal)) {
          const pieces = planner.secondPassPieces(pairs);
          await tell(pieces);
          planner.sample(pieces);
        }
        await measureRatios(planner.weights, planner.samples, 'some', context);
      }
      for await (const pairs of secondPass(planner, sources, true, signal)) {
        await tell(planner.secondPassPieces(pairs));
        yield* checkAndCount(planner.pack(pairs));
      }
    }
  }
  const last = checkAndCount(planner.end());
  report({ type: 'planned', ...total });
  yield* last;
}

/** The pending objects beside the committed sources, if outputs are unsealed. `last`: neither is read again. */
function secondPass(
  planner: Planner,
  sources: SourcesReader,
  last: boolean,
  signal: AbortSignal,
): AsyncGenerator<Pair<PendingObject, StoredSource>[]> {
  const committed = planner.hasUnsealed ? sources.inKeyOrder({ signal, last }) : asAsync([]);
  return sideBySide(asAsync(planner.pendingObjects(last)), committed);
}

async function* asAsync<T>(items: Iterable<T>): AsyncGenerator<T> {
  for (const item of items) yield await Promise.resolve(item);
}

/**
 * Reports each page that is listed. If outputs are planned while listing, the work is known once all is listed: exactly on
 * a first run, nearly so on a repack, where sources that have left raw come on top.
 */
function reportListing(plansWhileListing: boolean, report: Report): ListingProgress {
  const listed = { objects: 0, bytes: 0 };
  let empty = 0;
  return {
    listed: (page) => {
      listed.objects += page.length;
      for (const { size } of page) {
        listed.bytes += size;
        if (size === 0) empty++;
      }
      report({ type: 'listed', ...listed });
    },
    ended: () => {
      const { objects, bytes } = listed;
      if (plansWhileListing) report({ type: 'planned', objects: objects - empty, bytes, outputs: undefined });
    },
  };
}

/** A whole plan, with the state of the destination that it was made from, and all that a run would warn of. */
export interface FullPlan extends DestinationState {
  plan: Plan;
}

/**
 * Plans all that `rollUp` would do, and writes nothing. Starts again where another run commits meanwhile.
 *
 * @param given the two prefixes
 * @param planContext the stores, the settings, the clock, the signal; `report` receives `listed` and `planned`
 * @returns the plan, the current manifest and the listing of the destination
 * @throws RollupError `BadManifest`, `ManifestVersion`, `ManifestOfAnotherSource`, `SourceNotJoinable`,
 *   `SourceNotDecodable`, `SourceCorrupt`, `CodecConflict`, `SourceArchived`, `InvalidArgument` for a key that `groupBy`
 *   makes no folder of, `NoSources` where there is nothing and `failOnEmpty` is set, and those of S3
 */
export async function planAll(given: RollupRequest, planContext: PlanContext): Promise<FullPlan> {
  const context = untilStopped(planContext);
  const { store } = context;
  for (;;) {
    const before = await readDestination(given, context);
    const request = { ...given, source: before.source };
    const planner = createPlanner(request, context, before);
    try {
      const planned = await Array.fromAsync(listAndPlan(request, context, planner, before.previous));
      const { generation, sealed, skipped, filtered } = planner;
      const plan = { generation, sealed, planned, skipped, filtered };
      const isEmpty = planned.length + sealed.length === 0;
      const empty = isEmpty ? await warnOfEmpty(request.source, context, planner) : undefined;
      return {
        ...before,
        plan,
        warnings: [
          ...before.warnings,
          ...(empty === undefined ? [] : [empty.warning]),
          ...planner.joined.warnings,
        ],
        lists: before.lists + (empty?.requests ?? 0),
      };
    } catch (error) {
      const { previous } = before;
      if (previous === undefined || !(await isSuperseded(store, request.destination, previous, error)))
        throw error;
    }
  }
}

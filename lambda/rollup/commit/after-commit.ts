import { RollupError, hasCode } from '../../errors.ts';
import { sourceStore } from '../model/endpoints.ts';
import type { Location } from '../model/location.ts';
import { MANIFEST_NAME, type Manifest, type Rollup } from '../model/manifest.ts';
import type { OutputCounts, Proven } from '../model/output.ts';
import type {
  Deleted,
  DestinationState,
  RunProblem,
  RollupContext,
  RollupOutcome,
  RollupRequest,
  TidyUpResult,
} from '../model/run.ts';
import type { OpenUpload } from '../model/store.ts';
import { abandoned, abortReplaced, deleteReplaced, deleteUnnamed, retire, sweepable } from './cleanup.ts';
import type { CommitResult } from './commit.ts';
import { deleteSources } from './delete-sources.ts';
import { publishMarkers, wantedMarkers } from './markers.ts';

/** How the hour came to be committed: by this run, or before it. */
type HowCommitted =
  | { by: 'this run'; manifest: Manifest; replacedUploads: OpenUpload[]; proven: Proven }
  | { by: 'another'; standing: Rollup };

/** `hasTime` may be left out where there is always enough of it. */
type TidyUpContext = Omit<RollupContext, 'hasTime'> & Partial<Pick<RollupContext, 'hasTime'>>;

/**
 * What follows a commit, or the finding that nothing is new: tidies up, and tells what came of the run. `lost` stays
 * `lost`, and of an incomplete run nothing is tidied up.
 */
export async function afterCommit(
  request: RollupRequest,
  context: TidyUpContext,
  {
    state,
    result,
    peakInFlightBytes,
  }: { state: DestinationState; result: CommitResult; peakInFlightBytes: number },
): Promise<RollupOutcome | 'lost'> {
  const { destination } = request;
  switch (result.status) {
    case 'lost':
      return 'lost';
    case 'incomplete': {
      const { status, totals, counts } = result;
      return { status, totals, ...counts, manifest: undefined, peakInFlightBytes };
    }
    case 'unchanged': {
      const { previous: standing } = result;
      const tidied = await tidyUp(request, context, state, { by: 'another', standing });
      return { ...outcomeOf('unchanged', standing.manifest, NOTHING, destination), ...tidied };
    }
    case 'committed': {
      const { manifest, counts, replacedUploads, proven } = result;
      context.report({ type: 'committed', manifest: destination.prefix + MANIFEST_NAME });
      const committed = { by: 'this run', manifest, replacedUploads, proven } as const;
      const tidied = await tidyUp(request, context, state, committed);
      const status = manifest.totals.objects === 0 ? 'empty' : 'committed';
      return { ...outcomeOf(status, manifest, { ...counts, peakInFlightBytes }, destination), ...tidied };
    }
  }
}

const NOTHING = { written: 0, copied: 0, peakInFlightBytes: 0 };

function outcomeOf(
  status: RollupOutcome['status'],
  { totals }: Manifest,
  {
    written,
    copied,
    peakInFlightBytes,
  }: Omit<OutputCounts, 'reused'> & Pick<RollupOutcome, 'peakInFlightBytes'>,
  { prefix }: Location,
): RollupOutcome {
  const reused = totals.outputs - written - copied;
  return { status, totals, written, copied, reused, manifest: prefix + MANIFEST_NAME, peakInFlightBytes };
}

/**
 * What follows a commit, in this order: readers that do not know the manifest are told, what it replaced goes, old
 * leftovers go, sources go where that is asked for.
 * A run that found the hour committed does the same, and so finishes what a killed one began. The hour is committed
 * whatever fails here: so failures are told with the result, and do not take its place.
 */
async function tidyUp(
  request: RollupRequest,
  context: TidyUpContext,
  state: DestinationState,
  committed: HowCommitted,
): Promise<TidyUpResult> {
  const { store, hasTime = () => true } = context;
  const { source, destination } = request;
  const problems: RunProblem[] = [];
  const succeeds = async (step: () => Promise<void>): Promise<boolean> => {
    try {
      await step();
      return true;
    } catch (error) {
      if (!(error instanceof RollupError) || context.signal.aborted || hasCode(error, 'Aborted')) throw error;
      problems.push(error.toJSON());
      return false;
    }
  };
  const wanted = wantedMarkers(context.settings, destination, state.present);
  const told = await succeeds(() => publishMarkers(store, destination, wanted));
  if (committed.by === 'this run') {
    // Who still goes by the list before must find what it names.
    if (told) await succeeds(() => deleteReplaced(store, destination, state.previous, committed.manifest));
    await succeeds(() => abortReplaced(store, committed.replacedUploads));
  }
  if (told) await succeeds(() => sweep(request, context, state, committed));
  let deleted: Deleted | undefined;
  if (context.settings.deleteSource) {
    await succeeds(async () => {
      const { concurrency } = context.settings;
      const done = await deleteSources(source, destination, {
        ...context,
        raw: sourceStore(context),
        concurrency,
        hasTime,
        proven: committed.by === 'this run' ? committed.proven : new Map(),
      });
      deleted = done.deleted;
      problems.push(...done.problems);
    });
  }
  return { deleted, problems };
}

/**
 * Deletes old leftovers. Without a commit of this run's own, which has ended all uploads before it, it looks for old
 * uploads too, and retires the manifest first.
 */
async function sweep(
  { destination }: RollupRequest,
  { store, now, report }: TidyUpContext,
  { present, listingBegan }: DestinationState,
  committed: HowCommitted,
): Promise<void> {
  const standing = committed.by === 'another' ? committed.standing : undefined;
  const manifest = committed.by === 'another' ? committed.standing.manifest : committed.manifest;
  const keys = sweepable(present.values(), destination, manifest, listingBegan);
  const uploads =
    standing === undefined ? [] : abandoned(await store.listUploads(destination), destination, listingBegan);
  if (keys.length === 0 && uploads.length === 0) return;
  if (standing !== undefined && !(await retire(store, destination, standing, now()))) return;
  const swept = await deleteUnnamed(store, destination, keys);
  await abortReplaced(store, uploads);
  if (swept.length > 0) report({ type: 'swept', keys: swept });
}

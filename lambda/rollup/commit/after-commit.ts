import { RollupError, hasCode } from '../../errors.ts';
import { sourceStore } from '../model/endpoints.ts';
import { type Location, formatLocation } from '../model/location.ts';
import { MANIFEST_NAME, type Manifest, type Rollup } from '../model/manifest.ts';
import type { OutputCounts, Proven } from '../model/output.ts';
import type {
  Deleted,
  DestinationState,
  RunProblem,
  RunWarning,
  RollupContext,
  RollupOutcome,
  RollupRequest,
  TidyUpResult,
} from '../model/run.ts';
import type { OpenUpload } from '../model/store.ts';
import {
  abortUploads,
  deleteLosers,
  deleteReplaced,
  deleteUnnamed,
  isProof,
  leftoverKeys,
  planSweep,
  replaceManifestByItself,
} from './cleanup.ts';
import type { CommitResult } from './commit.ts';
import { deleteSources } from './delete-sources.ts';
import { publishMarkers, wantedMarkers } from './markers.ts';

/** The commit that is tidied up after: this run's, or one that it found. */
type TidiedCommit =
  | {
      by: 'this run';
      manifest: Manifest;
      replacedUploads: OpenUpload[];
      proven: Proven;
      abandoned: readonly string[];
    }
  | { by: 'another'; current: Rollup };

/** The context of a run. `hasTime` may be left out where there is always enough time. */
type TidyUpContext = Omit<RollupContext, 'hasTime'> & Partial<Pick<RollupContext, 'hasTime'>>;

/**
 * Tidies up after a commit, or after finding that nothing is new, and returns the outcome of the run. After a lost or an
 * incomplete run nothing is tidied up.
 *
 * @param run the destination as the run found it, the result of its commit, the most bytes that it held in buffers, and
 *   warnings for the outcome
 * @throws RollupError only where the run was stopped: other failures are returned as problems of the outcome
 */
export async function afterCommit(
  request: RollupRequest,
  context: TidyUpContext,
  run: {
    state: DestinationState;
    result: CommitResult;
    peakInFlightBytes: number;
    /** Keys that mistaken attempts of this run wrote. */
    abandoned?: readonly string[];
    /** Those of the outcome; without, those of the state. */
    warnings?: RunWarning[];
  },
): Promise<RollupOutcome | 'lost'> {
  const { state, result, peakInFlightBytes, abandoned = [], warnings = state.warnings } = run;
  const { destination } = request;
  const of = { source: state.source, warnings };
  const warned = (manifest: Manifest) => ({
    ...of,
    warnings: [...warnings, ...keptByRequest(request, context, manifest)],
  });
  const hasHeaders = context.settings.headerLines > 0;
  switch (result.status) {
    case 'lost':
      return 'lost';
    case 'incomplete': {
      const { status, totals, counts } = result;
      const headersKept = hasHeaders ? result.headersKept : undefined;
      return { status, totals, ...counts, headersKept, manifest: undefined, peakInFlightBytes, ...of };
    }
    case 'unchanged': {
      const current = result.previous;
      const tidied = await tidyUp(request, context, state, { by: 'another', current });
      const facts = { ...NOTHING, headersKept: hasHeaders ? 0 : undefined };
      const outcome = outcomeOf('unchanged', current.manifest, facts, destination);
      return { ...outcome, ...tidied, ...warned(current.manifest) };
    }
    case 'committed': {
      const { manifest, counts, replacedUploads, proven } = result;
      const headersKept = hasHeaders ? result.headersKept : undefined;
      context.report({ type: 'committed', manifest: destination.prefix + MANIFEST_NAME });
      const committed = { by: 'this run', manifest, replacedUploads, proven, abandoned } as const;
      const tidied = await tidyUp(request, context, state, committed);
      const status = manifest.totals.objects === 0 ? 'empty' : 'committed';
      const facts = { ...counts, headersKept, peakInFlightBytes };
      const { warnings: noted } = warned(manifest);
      return {
        ...outcomeOf(status, manifest, facts, destination),
        ...tidied,
        ...of,
        warnings: [...noted, ...rewritten(state.missing), ...unsafe(result.isSafe, context)],
      };
    }
  }
}

/** Outputs that a warning names, at most. */
const NAMED = 10;

/** The warning of a commit to a store that ignores its condition. */
function unsafe(isSafe: boolean, { store }: TidyUpContext): RunWarning[] {
  if (isSafe) return [];
  const message = `${store.service ?? 'The store'} writes an object although the condition of the write does not hold. Nothing keeps two runs of one hour apart there: let one run at a time.`;
  return [{ code: 'UnsafeCommit', message }];
}

/** The warning of a run that found committed outputs missing, and wrote what they held anew. */
function rewritten(missing: ReadonlySet<string>): RunWarning[] {
  const [key] = missing;
  if (key === undefined) return [];
  const named = [...missing].slice(0, NAMED).join(', ');
  const more = missing.size > NAMED ? ` and ${missing.size - NAMED} more` : '';
  const message = `Committed outputs were not there any more: ${named}${more}. What they held was written anew from raw. Find out who deleted them, or if the store lost them.`;
  return [{ code: 'OutputMissing', message, key }];
}

/** A warning where the settings ask to delete sources, and a request before this one to keep them. */
function keptByRequest(
  { source, deleteSource }: RollupRequest,
  { settings }: TidyUpContext,
  { keepSource }: Manifest,
): RunWarning[] {
  if (keepSource !== true || !settings.deleteSource || deleteSource !== undefined) return [];
  const message = `The sources stay in ${formatLocation(source)}: an earlier request asked for that with "deleteSource": false, which holds until another asks to delete them.`;
  return [{ code: 'SourcesKept', message }];
}

const NOTHING = { written: 0, copied: 0, peakInFlightBytes: 0 };

function outcomeOf(
  status: RollupOutcome['status'],
  { totals }: Manifest,
  counts: Omit<OutputCounts, 'reused'> & Pick<RollupOutcome, 'headersKept' | 'peakInFlightBytes'>,
  { prefix }: Location,
): Omit<RollupOutcome, 'source' | 'warnings'> {
  const { written, copied, headersKept, peakInFlightBytes } = counts;
  const reused = totals.outputs - written - copied;
  const key = prefix + MANIFEST_NAME;
  return { status, totals, written, copied, reused, headersKept, manifest: key, peakInFlightBytes };
}

/**
 * Writes the markers, deletes the objects that the commit replaced, deletes old leftovers, and deletes the sources where
 * that is asked for, in this order. A run that found the hour committed does the same, and so finishes what a killed one
 * began. The hour is committed whatever fails here: failures are returned with the result, and do not take its place.
 */
async function tidyUp(
  request: RollupRequest,
  context: TidyUpContext,
  state: DestinationState,
  committed: TidiedCommit,
): Promise<TidyUpResult> {
  const { store, hasTime = () => true } = context;
  const { source, destination } = request;
  const problems: RunProblem[] = [];
  // Runs a step; false if it failed, which is noted as a problem.
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
  const areMarkersPublished = await succeeds(() =>
    publishMarkers(store, destination, wanted, context.signal),
  );
  if (committed.by === 'this run') {
    // A reader of the list that was written before must find the outputs that it names.
    if (areMarkersPublished)
      await succeeds(() => deleteReplaced(store, destination, state.previous, committed.manifest));
    await succeeds(() => abortUploads(store, committed.replacedUploads));
    await succeeds(async () => {
      await deleteUnnamed(store, destination, [...committed.abandoned], committed.manifest);
    });
  }
  if (areMarkersPublished) await succeeds(() => sweep(request, context, state, committed));
  let deleted: Deleted | undefined;
  const { manifest } = committed.by === 'this run' ? committed : committed.current;
  if (context.settings.deleteSource && manifest.keepSource !== true) {
    await succeeds(async () => {
      const { concurrency, outputsInFlight } = context.settings;
      const done = await deleteSources(source, destination, {
        ...context,
        raw: sourceStore(context),
        concurrency,
        hasTime,
        proven: committed.by === 'this run' ? committed.proven : undefined,
        outputsInFlight,
      });
      deleted = done.deleted;
      problems.push(...done.problems);
    });
  }
  return { deleted, problems };
}

/**
 * Deletes old leftovers of runs that were killed. After a commit of another run it ends old uploads too, and replaces the
 * manifest by itself first where that has to be; a commit of this run has done both.
 */
async function sweep(
  { destination }: RollupRequest,
  { store, now, report }: TidyUpContext,
  { present, listingBegan }: DestinationState,
  committed: TidiedCommit,
): Promise<void> {
  const found = { present, listingBegan };
  const { keys, uploads, replacesManifest } =
    committed.by === 'another'
      ? planSweep(committed.current, destination, { ...found, uploads: await store.listUploads(destination) })
      : {
          keys: leftoverKeys(present.values(), destination, committed.manifest, listingBegan),
          ...{ uploads: [], replacesManifest: false },
        };
  if (keys.length === 0 && uploads.length === 0) return;
  let { manifest } = committed.by === 'another' ? committed.current : committed;
  if (committed.by === 'another' && replacesManifest) {
    const replaced = await replaceManifestByItself(store, destination, committed.current, now());
    if (replaced === undefined) return;
    ({ manifest } = replaced);
  }
  try {
    const { proofs = [], others = [] } = Object.groupBy(keys, (key) =>
      isProof(key, destination) ? 'proofs' : 'others',
    );
    // Empty and hidden: where they may not be deleted, which is how they came to stay, nobody has to do anything.
    await deleteLosers(store, destination, proofs, manifest);
    const swept = await deleteUnnamed(store, destination, others, manifest);
    if (swept.length > 0) report({ type: 'swept', keys: swept });
  } finally {
    await abortUploads(store, uploads);
  }
}

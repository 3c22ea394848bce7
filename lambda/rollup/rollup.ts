import { RollupError, hasCode } from '../errors.ts';
import type { Settings } from '../settings.ts';
import { type AssembleContext, type Assembled, assemble } from './assemble.ts';
import {
  abandoned,
  abortReplaced,
  deleteLost,
  deleteReplaced,
  ourUploads,
  retire,
  sweepable,
} from './cleanup.ts';
import { commit } from './commit.ts';
import { readCommitted } from './committed.ts';
import type { OutputFate, Report, RollupEvent } from './events.ts';
import { type Location, refuseOverlap } from './location.ts';
import { MANIFEST_NAME, type Manifest, type Rollup } from './manifest.ts';
import { type Plan, planRollup } from './plan.ts';
import { refuseUnreadable } from './refuse.ts';
import { findFinished } from './reuse.ts';
import type { ListedObject, OpenUpload, Store } from './store.ts';

/** How often a run plans again after it lost to another. */
const ATTEMPTS = 3;

export interface RollupRequest {
  source: Location;
  destination: Location;
  /** Rebuild the whole hour, in a generation of its own. */
  repack?: boolean;
}

export interface RollupContext {
  store: Store;
  settings: Settings;
  now: () => Date;
  report: Report;
  hasTime: () => boolean;
  signal: AbortSignal;
}

export interface RollupOutcome {
  status: 'committed' | 'unchanged' | 'empty' | 'incomplete';
  totals: Manifest['totals'];
  /** How the outputs of the commit came to be there: their sum is `totals.outputs`. */
  written: number;
  copied: number;
  reused: number;
  /** Key of the manifest; undefined where nothing was committed. */
  manifest: string | undefined;
  peakInFlightBytes: number;
}

/** What is there before a run does anything. */
export interface Survey {
  previous: Rollup | undefined;
  /** The destination, by key, listed after the manifest was read. */
  present: Map<string, ListedObject>;
  listingBegan: Date;
  plan: Plan;
}

/** Rolls one prefix up: list, plan, assemble, upload, commit. Throws `RollupError`. */
export async function rollUp(request: RollupRequest, context: RollupContext): Promise<RollupOutcome> {
  refuseOverlap(request.source, request.destination);
  try {
    return await attemptUntilCommitted(request, context);
  } catch (cause) {
    // Whatever the signal ended first, it is not the reason.
    if (!context.signal.aborted || hasCode(cause, 'Aborted')) throw cause;
    throw new RollupError('Aborted', 'The run was stopped.', { cause });
  }
}

async function attemptUntilCommitted(request: RollupRequest, context: RollupContext): Promise<RollupOutcome> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const outcome = await attemptOnce(request, context);
    if (outcome !== 'lost') return outcome;
    context.report({ type: 'lost', attempt });
  }
  throw new RollupError(
    'Conflict',
    `Other runs committed ${request.destination.prefix} first, ${ATTEMPTS} times. Run again once they have ended.`,
    { key: request.destination.prefix + MANIFEST_NAME },
  );
}

async function attemptOnce(request: RollupRequest, context: RollupContext): Promise<RollupOutcome | 'lost'> {
  const { destination } = request;
  const before = await survey(request, context);
  const { plan, previous } = before;
  refuseUnreadable(plan.planned);

  if (previous !== undefined && plan.planned.length === 0) {
    await sweep(request, context, before, previous.manifest, previous);
    const { totals, outputs } = previous.manifest;
    return outcomeOf('unchanged', totals, outputs.length, NOTHING, destination);
  }
  const result = await writeAndCommit(request, context, before);
  if (result.status === 'lost') return 'lost';
  if (result.status === 'incomplete') {
    return outcomeOf('incomplete', plannedTotals(plan), plan.sealed.length, result.obtained, undefined);
  }
  const { manifest, obtained, replacedUploads } = result;
  context.report({ type: 'committed', manifest: destination.prefix + MANIFEST_NAME });
  await deleteReplaced(context.store, destination, previous, manifest);
  await abortReplaced(context.store, replacedUploads);
  await sweep(request, context, before, manifest, undefined);
  const status = manifest.totals.objects === 0 ? 'empty' : 'committed';
  return outcomeOf(status, manifest.totals, plan.sealed.length, obtained, destination);
}

type Result =
  | { status: 'lost' }
  | { status: 'incomplete'; obtained: Obtained }
  | { status: 'committed'; obtained: Obtained; manifest: Manifest; replacedUploads: OpenUpload[] };

/** Brings every planned output about and commits; what a loser wrote is deleted where the winner does not use it. */
async function writeAndCommit(
  request: RollupRequest,
  context: RollupContext,
  before: Survey,
): Promise<Result> {
  const { store, settings, now } = context;
  const { source, destination } = request;
  const { plan, previous } = before;
  const wrote: string[] = [];
  const report = (event: RollupEvent): void => {
    if (event.type === 'output' && event.how !== 'reused') wrote.push(event.key);
    context.report(event);
  };
  try {
    const obtained = await obtain(before, { ...context, source, destination, report });
    const assembled = obtained.assembled;
    if (assembled.length < plan.planned.length) return { status: 'incomplete', obtained };
    const replacedUploads = ourUploads(await store.listUploads(destination), destination);
    const outcome = await commit({
      store,
      source,
      destination,
      settings,
      plan,
      assembled,
      previous,
      now: now(),
    });
    if (outcome.status === 'committed') return { ...outcome, obtained, replacedUploads };
    wrote.push(outcome.sourcesKey);
  } catch (error) {
    // A run that lost may find its uploads ended, or outputs that it reads from deleted, before it comes to commit.
    if (hasCode(error, 'Aborted', 'AccessDenied')) throw error;
    const winner = await readCommitted(store, destination, source).catch(() => previous);
    if (winner?.etag === previous?.etag) throw error;
  }
  const winner = await readCommitted(store, destination, source);
  // On a conflict that nobody won, what was written is used by the next attempt.
  if (winner?.etag !== previous?.etag) await deleteLost(store, destination, wrote, winner);
  return { status: 'lost' };
}

/** Reads what is committed, lists both sides and plans; writes nothing. */
export async function survey(
  { source, destination, repack = false }: RollupRequest,
  { store, settings, now, report }: Pick<RollupContext, 'store' | 'settings' | 'now' | 'report'>,
): Promise<Survey> {
  const previous = await readCommitted(store, destination, source);
  const listingBegan = now();
  const present = new Map<string, ListedObject>();
  for await (const page of store.list(destination))
    for (const object of page) present.set(object.key, object);
  const listed: ListedObject[] = [];
  for await (const page of store.list(source)) {
    listed.push(...page);
    report({ type: 'listed', objects: listed.length, bytes: page.reduce((sum, { size }) => sum + size, 0) });
  }
  const destinationPrefix = destination.prefix;
  const plan = planRollup({ listed, committed: previous, destinationPrefix, settings, repack });
  const pieces = plan.planned.reduce((sum, output) => sum + output.pieces.length, 0);
  const bytes = plan.planned.reduce((sum, { size }) => sum + size, 0);
  const [outputs, sealed] = [plan.planned.length, plan.sealed.length];
  report({ type: 'planned', objects: pieces, bytes, outputs, sealed });
  return { previous, present, listingBegan, plan };
}

interface Obtained {
  /** By index; fewer than were planned where time ran out. */
  assembled: Assembled[];
  peakInFlightBytes: number;
}

const NOTHING: Obtained = { assembled: [], peakInFlightBytes: 0 };

/** The planned outputs: those that are there already, and the others written now. */
async function obtain({ plan, present }: Survey, context: AssembleContext): Promise<Obtained> {
  const found = await findFinished(plan.planned, present, context);
  const missing = plan.planned.filter((output) => !found.has(output));
  const { assembled, peakInFlightBytes } = await assemble(missing, context);
  const written = new Map(missing.map((output, i) => [output, assembled[i]]));
  const all = plan.planned.map((output) => found.get(output) ?? written.get(output));
  return { assembled: all.filter((output) => output !== undefined), peakInFlightBytes };
}

/**
 * Deletes old leftovers. Without a commit of this run's own, which has ended all uploads before it, it looks for old
 * uploads too, and retires the manifest first.
 */
async function sweep(
  { destination }: RollupRequest,
  { store, now, report }: RollupContext,
  { present, listingBegan }: Survey,
  manifest: Manifest,
  standing: Rollup | undefined,
): Promise<void> {
  const keys = sweepable(present.values(), destination, manifest, listingBegan);
  const uploads =
    standing === undefined ? [] : abandoned(await store.listUploads(destination), destination, listingBegan);
  if (keys.length === 0 && uploads.length === 0) return;
  if (standing !== undefined && !(await retire(store, destination, standing, now()))) return;
  await store.delete(destination.bucket, keys);
  await abortReplaced(store, uploads);
  if (keys.length > 0) report({ type: 'swept', keys });
}

function outcomeOf(
  status: RollupOutcome['status'],
  totals: Manifest['totals'],
  sealed: number,
  { assembled, peakInFlightBytes }: Obtained,
  committedTo: Location | undefined,
): RollupOutcome {
  const count = (fate: OutputFate): number => assembled.filter(({ how }) => how === fate).length;
  const [written, copied, reused] = [count('written'), count('copied'), count('reused') + sealed];
  const manifest = committedTo === undefined ? undefined : committedTo.prefix + MANIFEST_NAME;
  return { status, totals, written, copied, reused, manifest, peakInFlightBytes };
}

/** Totals of a rollup that is not committed yet. */
function plannedTotals({ planned, sealed, skipped }: Plan): Manifest['totals'] {
  const bytes =
    planned.reduce((sum, { size }) => sum + size, 0) + sealed.reduce((sum, { size }) => sum + size, 0);
  const objects =
    planned.reduce((sum, { pieces }) => sum + pieces.length, 0) +
    sealed.reduce((sum, { sources }) => sum + sources, 0);
  return { objects, bytes, outputs: planned.length + sealed.length, outputBytes: bytes, skipped };
}

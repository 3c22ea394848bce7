import { RollupError, hasCode } from '../errors.ts';
import type { Settings } from '../settings.ts';
import { type AssembleContext, Assembler } from './assemble.ts';
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
import { type Location, formatLocation, refuseOverlap } from './location.ts';
import {
  type CommittedOutput,
  type CommittedSource,
  MANIFEST_NAME,
  type Manifest,
  type Rollup,
} from './manifest.ts';
import type { PlannedOutput } from './pack.ts';
import type { Planner, Skipped } from './plan.ts';
import { SourcesIndex } from './sources-index.ts';
import type { OpenUpload, Store } from './store.ts';
import { type Before, createPlanner, planSources, readBefore } from './survey.ts';

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
  const { store } = context;
  const { destination } = request;
  const before = await readBefore(request, context);
  const { previous } = before;
  const result = await writeAndCommit(request, context, before);
  switch (result.status) {
    case 'lost':
      return 'lost';
    case 'incomplete':
      return { ...result, manifest: undefined };
    case 'unchanged':
      await sweep(request, context, before, result.previous.manifest, result.previous);
      return outcomeOf('unchanged', result.previous.manifest, NOTHING, destination);
    case 'committed': {
      const { manifest, obtained, replacedUploads } = result;
      context.report({ type: 'committed', manifest: destination.prefix + MANIFEST_NAME });
      await deleteReplaced(store, destination, previous, manifest);
      await abortReplaced(store, replacedUploads);
      await sweep(request, context, before, manifest, undefined);
      const status = manifest.totals.objects === 0 ? 'empty' : 'committed';
      return outcomeOf(status, manifest, obtained, destination);
    }
  }
}

type Result =
  | { status: 'lost' }
  | ({ status: 'incomplete' } & Omit<RollupOutcome, 'status' | 'manifest'>)
  | { status: 'unchanged'; previous: Rollup }
  | { status: 'committed'; obtained: Obtained; manifest: Manifest; replacedUploads: OpenUpload[] };

/** Brings every planned output about and commits; what a loser wrote is deleted where the winner does not use it. */
async function writeAndCommit(
  request: RollupRequest,
  context: RollupContext,
  before: Before,
): Promise<Result> {
  const { store, settings, now } = context;
  const { source, destination } = request;
  const { previous, present } = before;
  const wrote: string[] = [];
  const report = (event: RollupEvent): void => {
    if (event.type === 'output' && event.how !== 'reused') wrote.push(event.key);
    context.report(event);
  };
  try {
    const planner = createPlanner(request, context, before);
    const planned = planSources(request, context, planner);
    const assembly = { ...context, source, destination, present, report };
    const obtained = await obtain(planned, planner, previous, assembly);
    const { index, complete, written, copied, reused, peakInFlightBytes } = obtained;
    const { generation, skipped, sealed } = planner;
    const outputs = [...sealed, ...obtained.outputs];
    if (!complete) {
      const totals = totalsSoFar(outputs, skipped);
      return { status: 'incomplete', totals, written, copied, reused, peakInFlightBytes };
    }
    const same = previous?.manifest.source === formatLocation(source);
    if (previous !== undefined && same && obtained.outputs.length === 0)
      return { status: 'unchanged', previous };
    const replacedUploads = ourUploads(await store.listUploads(destination), destination);
    const commitment = { source, destination, settings, generation, skipped, outputs, index, previous };
    const outcome = await commit({ store, ...commitment, now: now() });
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

const NOTHING = { written: 0, copied: 0, peakInFlightBytes: 0 };

interface Obtained {
  /** By index. */
  outputs: CommittedOutput[];
  /** Of all sources of the commit. */
  index: SourcesIndex;
  /** How the outputs came to be there; those that stay are reused. */
  written: number;
  copied: number;
  reused: number;
  /** False where time ran out. */
  complete: boolean;
  peakInFlightBytes: number;
}

/** Brings the planned outputs about, and writes down where their sources are while it goes on. */
async function obtain(
  planned: AsyncIterable<PlannedOutput>,
  planner: Planner,
  previous: Rollup | undefined,
  context: AssembleContext,
): Promise<Obtained> {
  const assembler = new Assembler(context);
  const index = new SourcesIndex();
  const outputs: CommittedOutput[] = [];
  const count: Record<OutputFate, number> = { written: 0, copied: 0, reused: 0 };
  let complete = true;

  async function* whileThereIsTime(): AsyncGenerator<PlannedOutput> {
    for await (const output of planned) {
      complete &&= context.hasTime();
      if (!complete) return;
      yield output;
    }
  }

  for await (const assembled of assembler.assemble(whileThereIsTime())) {
    complete &&= assembled !== undefined;
    if (assembled === undefined) continue;
    if (outputs.length === 0) await index.add(keptSources(planner, previous));
    await index.add(assembled.sources);
    outputs.push(assembled.output);
    count[assembled.how]++;
  }
  count.reused += planner.sealed.length;
  return { outputs, index, ...count, complete, peakInFlightBytes: assembler.peakInFlightBytes };
}

/** Sources of the outputs that stay: known once the first output is planned. */
function* keptSources(planner: Planner, previous: Rollup | undefined): Generator<CommittedSource> {
  const sealed = new Set(planner.sealed.map(({ key }) => key));
  for (const source of previous?.sources ?? []) if (sealed.has(source.output)) yield source;
}

/**
 * Deletes old leftovers. Without a commit of this run's own, which has ended all uploads before it, it looks for old
 * uploads too, and retires the manifest first.
 */
async function sweep(
  { destination }: RollupRequest,
  { store, now, report }: RollupContext,
  { present, listingBegan }: Before,
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

/** Of a rollup that is not committed yet. */
function totalsSoFar(outputs: CommittedOutput[], skipped: Skipped): Manifest['totals'] {
  const outputBytes = outputs.reduce((sum, { size }) => sum + size, 0);
  const objects = outputs.reduce((sum, { sources }) => sum + sources, 0);
  return { objects, bytes: outputBytes, outputs: outputs.length, outputBytes, skipped };
}

function outcomeOf(
  status: RollupOutcome['status'],
  { totals }: Manifest,
  { written, copied, peakInFlightBytes }: Pick<Obtained, 'written' | 'copied' | 'peakInFlightBytes'>,
  { prefix }: Location,
): RollupOutcome {
  const reused = totals.outputs - written - copied;
  return { status, totals, written, copied, reused, manifest: prefix + MANIFEST_NAME, peakInFlightBytes };
}

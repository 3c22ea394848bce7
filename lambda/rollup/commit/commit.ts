import { hasCode } from '../../errors.ts';
import { readCommitted } from '../committed/read-committed.ts';
import { formatLocation } from '../model/location.ts';
import type { CommittedOutput, Manifest, Rollup } from '../model/manifest.ts';
import type { Assembled, Skipped } from '../model/output.ts';
import { type Fates, type Proven } from '../model/output.ts';
import type { RollupContext, RollupRequest } from '../model/run.ts';
import type { OpenUpload } from '../model/store.ts';
import type { Planner } from '../plan/planner.ts';
import { deleteUnnamed, ourUploads } from './cleanup.ts';
import { commit } from './put-manifest.ts';
import { SourcesIndex } from './sources-index.ts';

/** What a commit needs to know of its plan besides the outputs; `sealed` and `skipped` once the last output is planned. */
export type PlanFacts = Readonly<Pick<Planner, 'generation' | 'sealed' | 'skipped'>>;

export interface CommitStep {
  /** What the plan was made from. */
  previous: Rollup | undefined;
  plan: PlanFacts;
  /** In the order in which they were planned; undefined for one that there was no time for. */
  outputs: AsyncIterable<Assembled | undefined>;
  /** Keys that were written for this plan, as far as it has come: what a loser deletes. */
  wrote: string[];
}

export type CommitResult =
  | { status: 'lost' }
  | { status: 'incomplete'; totals: Manifest['totals']; fates: Fates }
  | { status: 'unchanged'; previous: Rollup }
  | {
      status: 'committed';
      manifest: Manifest;
      fates: Fates;
      replacedUploads: OpenUpload[];
      proven: Proven;
    };

/**
 * The commit step: takes every planned output as it is there, and commits them. What a loser wrote is deleted where the
 * winner does not use it.
 */
export async function commitOutputs(
  request: RollupRequest,
  { store, settings, now }: Pick<RollupContext, 'store' | 'settings' | 'now'>,
  { previous, plan, outputs: coming, wrote }: CommitStep,
): Promise<CommitResult> {
  const { source, destination } = request;
  try {
    const gathered = await gather(coming, plan, previous);
    const { index, complete, fates } = gathered;
    const { generation, skipped, sealed } = plan;
    const added = gathered.outputs;
    if (!complete)
      return { status: 'incomplete', totals: totalsSoFar([...sealed, ...added], skipped), fates };
    const same = previous?.manifest.source === formatLocation(source);
    if (previous !== undefined && same && added.length === 0) return { status: 'unchanged', previous };
    const replacedUploads = ourUploads(await store.listUploads(destination), destination);
    const commitment = { source, destination, settings, generation, skipped, sealed, added, index, previous };
    const outcome = await commit({ store, ...commitment, now: now() });
    const { proven } = gathered;
    if (outcome.status === 'committed') return { ...outcome, fates, replacedUploads, proven };
    wrote.push(outcome.sourcesKey);
  } catch (error) {
    // A run that lost may find its uploads ended, or outputs that it reads from deleted, before it comes to commit.
    if (hasCode(error, 'Aborted', 'AccessDenied')) throw error;
    const winner = await readCommitted(store, destination, source).catch(() => previous);
    if (winner?.etag === previous?.etag) throw error;
  }
  const winner = await readCommitted(store, destination, source);
  // On a conflict that nobody won, what was written is used by the next attempt.
  if (winner?.etag !== previous?.etag) await deleteUnnamed(store, destination, wrote);
  return { status: 'lost' };
}

interface Gathered {
  /** By index. */
  outputs: CommittedOutput[];
  /** Of all sources of the commit. */
  index: SourcesIndex;
  fates: Fates;
  proven: Proven;
  /** False where time ran out. */
  complete: boolean;
}

/** Takes the outputs as they come, and writes down where their sources are while it goes on. */
async function gather(
  coming: AsyncIterable<Assembled | undefined>,
  plan: PlanFacts,
  previous: Rollup | undefined,
): Promise<Gathered> {
  const index = new SourcesIndex();
  const outputs: CommittedOutput[] = [];
  const fates: Fates = { written: 0, copied: 0, reused: 0 };
  const proven = new Map<string, string>();
  let complete = true;
  for await (const assembled of coming) {
    complete &&= assembled !== undefined;
    if (assembled === undefined) continue;
    if (outputs.length === 0) await addKept(index, plan, previous);
    await index.add(assembled.sources);
    outputs.push(assembled.output);
    fates[assembled.how]++;
    if (assembled.proven) proven.set(assembled.output.key, assembled.output.etag);
  }
  fates.reused += plan.sealed.length;
  return { outputs, index, fates, proven, complete };
}

/** Sources of the outputs that stay: known once the first output is planned. */
async function addKept(index: SourcesIndex, plan: PlanFacts, previous: Rollup | undefined): Promise<void> {
  const sealed = new Set(plan.sealed.map(({ key }) => key));
  if (previous === undefined || sealed.size === 0) return;
  for await (const sources of previous.sources.stored())
    await index.add(sources.filter(({ output }) => sealed.has(output)));
}

/** Of a rollup that is not committed yet. */
function totalsSoFar(outputs: CommittedOutput[], skipped: Skipped): Manifest['totals'] {
  const outputBytes = outputs.reduce((sum, { size }) => sum + size, 0);
  const objects = outputs.reduce((sum, { sources }) => sum + sources, 0);
  return { objects, bytes: outputBytes, outputs: outputs.length, outputBytes, skipped };
}

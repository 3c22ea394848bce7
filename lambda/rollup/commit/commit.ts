import { RollupError, hasCode } from '../../errors.ts';
import { CommittedVanished } from '../attempts.ts';
import { readCommitted } from '../committed/read-committed.ts';
import { type Location, formatLocation } from '../model/location.ts';
import { type Manifest, type Rollup, keepSourceOf } from '../model/manifest.ts';
import type { OutputCounts, Proven } from '../model/output.ts';
import type { RollupContext, RollupRequest, RunSoFar } from '../model/run.ts';
import type { OpenUpload } from '../model/store.ts';
import { deleteLosers, ourUploads, replaceManifestByItself } from './cleanup.ts';
import type { Draft } from './draft.ts';
import { putManifest } from './put-manifest.ts';

export type CommitResult =
  /** Another run committed first. */
  | { status: 'lost' }
  /** There was no time for all outputs: nothing is committed. */
  | { status: 'incomplete'; totals: Manifest['totals']; counts: OutputCounts; headersKept: number }
  /** There was nothing to add: the current manifest stays. */
  | { status: 'unchanged'; previous: Rollup }
  | Committed;

/** A commit by this run. */
export interface Committed {
  status: 'committed';
  manifest: Manifest;
  counts: OutputCounts;
  /** See `RollupOutcome`. */
  headersKept: number;
  /** Uploads of plans that can no longer be committed. */
  replacedUploads: OpenUpload[];
  /** New outputs that were proven by this run. */
  proven: Proven;
  /** False if the store ignores the conditions of writes: nothing keeps two runs at once apart there. */
  isSafe: boolean;
}

/** Another run committed first, after this one had written its index of sources. */
type Lost = { status: 'lost'; indexKey: string };

type CommitContext = Pick<RollupContext, 'store' | 'settings' | 'now' | 'signal' | 'describeRun'>;

/**
 * Commits a draft: writes the index of sources and then the manifest, on the condition that `previous` is still the
 * current one.
 *
 * @param previous the commit that the draft was planned from; undefined where there was none
 * @param soFar what the manifest's user metadata tells of the run
 * @throws RollupError `OutputMissing` where an output does not exist as it was written; `InvalidArgument` where the
 *   manifest would be too large to be read again
 */
export async function commit(
  { source, destination, deleteSource }: RollupRequest,
  { store, settings, now, signal, describeRun }: CommitContext,
  draft: Draft,
  previous: Rollup | undefined,
  soFar: RunSoFar,
): Promise<CommitResult | Lost> {
  const { index, added, counts, headersKept, proven, totals } = draft;
  if (!draft.isComplete) return { status: 'incomplete', totals, counts, headersKept };
  const keepSource = keepSourceOf({ deleteSource }, previous?.manifest);
  if (previous !== undefined && isSameSource(previous, source) && added.length === 0) {
    if (keepSource === previous.manifest.keepSource) return { status: 'unchanged', previous };
    const replaced = await replaceManifestByItself(store, destination, previous, now(), { keepSource });
    return replaced === undefined ? { status: 'lost' } : { status: 'unchanged', previous: replaced };
  }
  await draft.keepSealed();
  // They are listed before the commit: a run that begins an upload after it has planned from the new manifest.
  const replacedUploads = ourUploads(await store.listUploads(destination), destination);
  const { generation, skipped, sealed } = draft.plan;
  const isSafe = await store.keepsConditions(destination);
  const outcome = await putManifest({
    store,
    source,
    destination,
    settings,
    keepSource,
    generation,
    skipped,
    sealed,
    added,
    index,
    previous,
    now: now(),
    metadata: describeRun?.(soFar),
    signal,
  });
  if (outcome.status === 'lost') return { status: 'lost', indexKey: outcome.sourcesKey };
  const { status, manifest, etags } = outcome;
  return {
    status,
    manifest,
    counts,
    headersKept,
    replacedUploads,
    proven: { ...etags, outputs: proven },
    isSafe,
  };
}

/** True if a commit says this source: one of the folder of a source that is taken as written now is replaced. */
export function isSameSource({ manifest }: Pick<Rollup, 'manifest'>, source: Location): boolean {
  return manifest.source === formatLocation(source);
}

/** True if an error may mean that another run has committed since `previous` was read, and one has. */
export async function isLost(
  error: unknown,
  { source, destination }: RollupRequest,
  { store, signal }: Pick<RollupContext, 'store' | 'signal'>,
  previous: Rollup | undefined,
): Promise<boolean> {
  // A run that was stopped does not wait for a store that does not answer.
  if (signal.aborted || hasCode(error, 'Aborted', 'AccessDenied')) return false;
  const winner = await readCommitted(store, destination, source).catch(() => previous);
  return winner?.etag !== previous?.etag;
}

/** The error of a source that has left raw, if a committed output holds it: another run may be deleting what is committed. */
export async function committedVanished(
  error: unknown,
  previous: Rollup | undefined,
): Promise<CommittedVanished | undefined> {
  if (previous === undefined || !(error instanceof RollupError) || error.code !== 'SourceVanished') return;
  for await (const sources of previous.sources.stored())
    for (const { key } of sources) if (key === error.key) return new CommittedVanished(key, error);
  return undefined;
}

/**
 * Does the work of a run up to its commit. If another run has committed since `previous` was read, the result is `lost`,
 * also where the work failed, and the keys that this run wrote are deleted, but for those that the current manifest names.
 *
 * @param state `draft`: what is committed; it is closed in the end. `keys`: those that the work has written so far; the array
 *   grows while it goes on. `abandoned`: those of attempts before it; where the work is to be planned again, its own are added
 * @throws CommittedVanished where a source has left raw that `previous` holds; otherwise what the work throws, if no other run
 * has committed
 */
export async function unlessLost(
  { source, destination }: RollupRequest,
  { store, signal }: Pick<RollupContext, 'store' | 'signal'>,
  state: {
    previous: Rollup | undefined;
    draft: Pick<Draft, 'close'>;
    keys: readonly string[];
    abandoned?: string[];
  },
  work: () => Promise<CommitResult | Lost>,
): Promise<CommitResult> {
  const { previous, draft, keys, abandoned = [] } = state;
  const indexKeys: string[] = [];
  try {
    const result = await work();
    if (result.status !== 'lost') return result;
    if ('indexKey' in result) indexKeys.push(result.indexKey);
  } catch (error) {
    // A run that lost may find its uploads aborted, or outputs that it reads from deleted, before it comes to commit.
    if (!(await isLost(error, { source, destination }, { store, signal }, previous))) {
      const vanished = signal.aborted ? undefined : await committedVanished(error, previous);
      if (vanished !== undefined || hasCode(error, 'FormatMistaken')) abandoned.push(...keys);
      throw vanished ?? error;
    }
  } finally {
    await draft.close();
  }
  const winner = await readCommitted(store, destination, source);
  // On a conflict that no run won, the next attempt uses the objects that were written.
  if (winner?.etag !== previous?.etag)
    await deleteLosers(store, destination, [...abandoned, ...keys, ...indexKeys], winner?.manifest);
  return { status: 'lost' };
}

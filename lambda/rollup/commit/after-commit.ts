import { RollupError, hasCode } from '../../errors.ts';
import { rawOf } from '../model/endpoints.ts';
import type { Manifest, Rollup } from '../model/manifest.ts';
import type { Proven } from '../model/output.ts';
import type { Before, RollupContext, RollupRequest } from '../model/run.ts';
import { type Deleted, type Problem, type Settled } from '../model/run.ts';
import type { OpenUpload } from '../model/store.ts';
import { abandoned, abortReplaced, deleteReplaced, deleteUnnamed, retire, sweepable } from './cleanup.ts';
import { deleteSources } from './delete-sources.ts';
import { publishMarkers, wantedMarkers } from './markers.ts';

/** How the hour came to be committed: by this run, or before it. */
export type Committed =
  | { by: 'this run'; manifest: Manifest; replacedUploads: OpenUpload[]; proven: Proven }
  | { by: 'another'; standing: Rollup };

/** Where nothing is said of time there is enough of it. */
export type SettleContext = Omit<RollupContext, 'hasTime'> & Partial<Pick<RollupContext, 'hasTime'>>;

/**
 * What follows a commit, in this order: readers that do not know the manifest are told, what it replaced goes, old
 * leftovers go, sources go where that is asked for.
 * A run that found the hour committed does the same, and so finishes what a killed one began. The hour is committed
 * whatever fails here: so failures are told with the result, and do not take its place.
 */
export async function settle(
  request: RollupRequest,
  context: SettleContext,
  before: Before,
  committed: Committed,
): Promise<Settled> {
  const { store, hasTime = () => true } = context;
  const { source, destination } = request;
  const problems: Problem[] = [];
  const attempt = async (step: () => Promise<void>): Promise<boolean> => {
    try {
      await step();
      return true;
    } catch (error) {
      if (!(error instanceof RollupError) || context.signal.aborted || hasCode(error, 'Aborted')) throw error;
      problems.push(error.toJSON());
      return false;
    }
  };
  const wanted = wantedMarkers(context.settings, destination, before.present);
  const told = await attempt(() => publishMarkers(store, destination, wanted));
  if (committed.by === 'this run') {
    // Who still goes by the list before must find what it names.
    if (told) await attempt(() => deleteReplaced(store, destination, before.previous, committed.manifest));
    await attempt(() => abortReplaced(store, committed.replacedUploads));
  }
  if (told) await attempt(() => sweep(request, context, before, committed));
  let deleted: Deleted | undefined;
  if (context.settings.deleteSource) {
    await attempt(async () => {
      const { concurrency } = context.settings;
      const done = await deleteSources(source, destination, {
        ...context,
        raw: rawOf(context),
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
  { store, now, report }: SettleContext,
  { present, listingBegan }: Before,
  committed: Committed,
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

import { abandoned, abortReplaced, deleteReplaced, retire, sweepable } from './cleanup.ts';
import type { CommitResult, Fates } from './commit-outputs.ts';
import type { Location } from './location.ts';
import { MANIFEST_NAME, type Manifest, type Rollup } from './manifest.ts';
import type { RollupContext, RollupOutcome, RollupRequest } from './rollup.ts';
import type { Before } from './survey.ts';

/** What follows the commit step: leftovers are deleted, and what came of it is told. */
export async function conclude(
  request: RollupRequest,
  context: Pick<RollupContext, 'store' | 'now' | 'report'>,
  { before, result, peakInFlightBytes }: { before: Before; result: CommitResult; peakInFlightBytes: number },
): Promise<RollupOutcome | 'lost'> {
  const { store } = context;
  const { destination } = request;
  switch (result.status) {
    case 'lost':
      return 'lost';
    case 'incomplete': {
      const { status, totals, fates } = result;
      return { status, totals, ...fates, manifest: undefined, peakInFlightBytes };
    }
    case 'unchanged':
      await sweep(request, context, before, result.previous.manifest, result.previous);
      return outcomeOf('unchanged', result.previous.manifest, NOTHING, destination);
    case 'committed': {
      const { manifest, fates, replacedUploads } = result;
      context.report({ type: 'committed', manifest: destination.prefix + MANIFEST_NAME });
      await deleteReplaced(store, destination, before.previous, manifest);
      await abortReplaced(store, replacedUploads);
      await sweep(request, context, before, manifest, undefined);
      const status = manifest.totals.objects === 0 ? 'empty' : 'committed';
      return outcomeOf(status, manifest, { ...fates, peakInFlightBytes }, destination);
    }
  }
}

const NOTHING = { written: 0, copied: 0, peakInFlightBytes: 0 };

/**
 * Deletes old leftovers. Without a commit of this run's own, which has ended all uploads before it, it looks for old
 * uploads too, and retires the manifest first.
 */
async function sweep(
  { destination }: RollupRequest,
  { store, now, report }: Pick<RollupContext, 'store' | 'now' | 'report'>,
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

function outcomeOf(
  status: RollupOutcome['status'],
  { totals }: Manifest,
  { written, copied, peakInFlightBytes }: Omit<Fates, 'reused'> & Pick<RollupOutcome, 'peakInFlightBytes'>,
  { prefix }: Location,
): RollupOutcome {
  const reused = totals.outputs - written - copied;
  return { status, totals, written, copied, reused, manifest: prefix + MANIFEST_NAME, peakInFlightBytes };
}

import type { Location } from '../model/location.ts';
import { MANIFEST_NAME, type Manifest } from '../model/manifest.ts';
import type { Fates } from '../model/output.ts';
import type { Before, RollupOutcome, RollupRequest } from '../model/run.ts';
import { type SettleContext, settle } from './after-commit.ts';
import type { CommitResult } from './commit.ts';

/** What follows the commit step is done, and what came of it is told. */
export async function conclude(
  request: RollupRequest,
  context: SettleContext,
  { before, result, peakInFlightBytes }: { before: Before; result: CommitResult; peakInFlightBytes: number },
): Promise<RollupOutcome | 'lost'> {
  const { destination } = request;
  switch (result.status) {
    case 'lost':
      return 'lost';
    case 'incomplete': {
      const { status, totals, fates } = result;
      return { status, totals, ...fates, manifest: undefined, peakInFlightBytes };
    }
    case 'unchanged':
      return {
        ...outcomeOf('unchanged', result.previous.manifest, NOTHING, destination),
        ...(await settle(request, context, before, { by: 'another', standing: result.previous })),
      };
    case 'committed': {
      const { manifest, fates, replacedUploads, proven } = result;
      context.report({ type: 'committed', manifest: destination.prefix + MANIFEST_NAME });
      const committed = { by: 'this run', manifest, replacedUploads, proven } as const;
      const settled = await settle(request, context, before, committed);
      const status = manifest.totals.objects === 0 ? 'empty' : 'committed';
      return { ...outcomeOf(status, manifest, { ...fates, peakInFlightBytes }, destination), ...settled };
    }
  }
}

const NOTHING = { written: 0, copied: 0, peakInFlightBytes: 0 };

function outcomeOf(
  status: RollupOutcome['status'],
  { totals }: Manifest,
  { written, copied, peakInFlightBytes }: Omit<Fates, 'reused'> & Pick<RollupOutcome, 'peakInFlightBytes'>,
  { prefix }: Location,
): RollupOutcome {
  const reused = totals.outputs - written - copied;
  return { status, totals, written, copied, reused, manifest: prefix + MANIFEST_NAME, peakInFlightBytes };
}

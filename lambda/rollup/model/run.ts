import { RollupError, hasCode } from '../../errors.ts';
import type { Report } from './events.ts';
import type { Location } from './location.ts';
import type { Manifest, Rollup } from './manifest.ts';
import { MANIFEST_NAME } from './manifest.ts';
import type { ListedObject } from './store.ts';

import type { Settings } from '../../settings/table.ts';

import type { Sides } from './endpoints.ts';

/** How often a run plans again after it lost to another. */
export const ATTEMPTS = 3;

export interface RollupRequest {
  source: Location;
  destination: Location;
  /** Rebuild the whole hour, in a generation of its own. */
  repack?: boolean;
}

export interface RollupContext extends Sides {
  settings: Settings;
  /**
   * Outputs that stand there were written by earlier invocations of the same request: they are taken as they are, so that
   * an hour which takes several comes to its end. Before raw is deleted they are proven all the same.
   */
  trustStanding?: boolean;
  now: () => Date;
  report: Report;
  hasTime: () => boolean;
  signal: AbortSignal;
}

export interface RollupOutcome extends Partial<Settled> {
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

/** Whatever the signal ended first, it is not the reason why a run failed. */
export async function stoppable<T>(
  { signal }: Pick<RollupContext, 'signal'>,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (!signal.aborted || hasCode(cause, 'Aborted')) throw cause;
    throw new RollupError('Aborted', 'The run was stopped.', { cause });
  }
}

export function lostToOthers({ prefix }: Location): RollupError {
  return new RollupError(
    'Conflict',
    `Other runs committed ${prefix} first, ${ATTEMPTS} times. Run again once they have ended.`,
    { key: prefix + MANIFEST_NAME },
  );
}

export interface Settled {
  /** What became of the sources in raw, where they were to be deleted. */
  deleted: Deleted | undefined;
  /** What did not work, although the hour is committed. */
  problems: Problem[];
}

/** What became of the sources in raw. */
export interface Deleted {
  objects: number;
  bytes: number;
  /** What is left in raw, by the reason. */
  kept: {
    /** Not in the rollup: it came late, or is empty. */
    uncommitted: number;
    /** Not what was rolled up under this key: it was changed since. The next run rolls it up anew. */
    changed: number;
    /** In an output that is not there as it was committed, or does not hold them. */
    unverified: number;
    /** S3 did not allow it. */
    refused: number;
  };
  /** False where time ran out, or other runs came in between, before the last of them. */
  complete: boolean;
}

/** Something that did not work although the hour is committed. */
export interface Problem {
  code: RollupError['code'];
  message: string;
  key?: string;
}

/** What is there before a run looks at its sources. */
export interface Before {
  /** What is committed. */
  previous: Rollup | undefined;
  /** The destination, by key, listed after the manifest was read. */
  present: Map<string, ListedObject>;
  listingBegan: Date;
}

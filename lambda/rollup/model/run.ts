import type { RollupError } from '../../errors.ts';
import type { Report } from './events.ts';
import type { Location } from './location.ts';
import type { Manifest, Rollup } from './manifest.ts';
import type { ListedObject } from './store.ts';

import type { Settings } from '../../settings/table.ts';

import type { Endpoints } from './endpoints.ts';

export interface RollupRequest {
  source: Location;
  destination: Location;
  /** Rebuild the whole hour, in a generation of its own. */
  repack?: boolean;
}

export interface RollupContext extends Endpoints {
  settings: Settings;
  /**
   * Outputs that stand there were written by earlier invocations of the same request: they are taken as they are, so that
   * an hour which takes several comes to its end. Before raw is deleted they are proven all the same.
   */
  trustExisting?: boolean;
  now: () => Date;
  report: Report;
  hasTime: () => boolean;
  signal: AbortSignal;
}

export interface RollupOutcome extends Partial<TidyUpResult> {
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

export interface TidyUpResult {
  /** What became of the sources in raw, where they were to be deleted. */
  deleted: Deleted | undefined;
  /** What did not work, although the hour is committed. */
  problems: RunProblem[];
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
export interface RunProblem {
  code: RollupError['code'];
  message: string;
  key?: string;
}

/** What is there before a run looks at its sources. */
export interface DestinationState {
  /** What is committed. */
  previous: Rollup | undefined;
  /** The destination, by key, listed after the manifest was read. */
  present: Map<string, ListedObject>;
  listingBegan: Date;
}

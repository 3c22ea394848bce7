import {
  type Deleted,
  type Distribute,
  type Endpoints,
  type Report,
  type RollupOutcome,
  type RollupRequest,
  type RunProblem,
  formatLocation,
  rollUp,
  rollUpByPlan,
} from './rollup/index.ts';
import type { Connection, Peaks, Requests } from './s3/connection.ts';
import type { Settings } from './settings/table.ts';

/** The result of a run: the object that `--json` prints and the function returns. Sizes are in bytes. */
export interface RunResult {
  /** `incomplete`: there was no time for all outputs, and nothing was committed. */
  status: 'committed' | 'unchanged' | 'empty' | 'incomplete';
  source: string;
  destination: string;
  objects: number;
  bytes: number;
  skipped: { empty: number; filtered: number };
  /** Outputs of the rollup: `written` + `reused` + `copied`, except for a run that is incomplete. */
  outputs: number;
  written: number;
  reused: number;
  copied: number;
  /** URI of the manifest; null where nothing is committed. */
  manifest: string | null;
  /** Counts of deleted and kept sources; absent unless sources are to be deleted. */
  deleted?: Deleted;
  /** Failures of what follows a commit; the hour is committed all the same. Absent where there are none. */
  problems?: RunProblem[];
  /** What a user should know although the run did what it was asked for. Absent where there is nothing. */
  warnings?: RunProblem[];
  requests: Requests;
  peak: Peaks & { inFlightBytes: number };
  durationSeconds: number;
}

/** Options of `run`. */
export interface RunOptions {
  settings: Settings;
  /** @defaultValue no report */
  report?: Report;
  /**
   * Returns false once no other output is to be begun.
   *
   * @defaultValue always true
   */
  hasTime?: () => boolean;
  /** Ends the run: everything in flight is aborted. */
  signal?: AbortSignal;
  /** @defaultValue the system's clock */
  now?: () => Date;
  /**
   * Existing outputs were written by earlier invocations of this request, and are reused without a proof of their bytes.
   *
   * @defaultValue false
   */
  trustExisting?: boolean;
  /** Lets other processes write the outputs, by way of a plan file. `peak` and `requests` are then without theirs. */
  distribute?: Distribute;
}

/**
 * One rollup over a connection, measured. Both the command line and the function run this.
 *
 * @returns the outcome with requests, peaks and duration
 * @throws RollupError as `rollUp` does
 */
export async function run(
  request: RollupRequest,
  { store, raw, gauge, takeRequests }: Pick<Connection, 'store' | 'gauge' | 'takeRequests'> & Endpoints,
  options: RunOptions,
): Promise<RunResult> {
  const {
    settings,
    report = () => undefined,
    hasTime = () => true,
    signal = new AbortController().signal,
    now = () => new Date(),
    trustExisting = false,
    distribute,
  } = options;
  const began = performance.now();
  takeRequests();
  gauge.start();
  try {
    const context = { store, raw, settings, report, hasTime, signal, now, trustExisting };
    const outcome =
      distribute === undefined
        ? await rollUp(request, context)
        : await rollUpByPlan(request, context, distribute);
    const usage = { requests: takeRequests(), peak: gauge.stop() };
    return resultOf(request, outcome, { ...usage, durationSeconds: secondsSince(began) });
  } finally {
    gauge.stop();
  }
}

function secondsSince(began: number): number {
  return Math.round(performance.now() - began) / 1000;
}

/** The outcome of a rollup and its usage as a `RunResult`. */
export function resultOf(
  { source, destination }: RollupRequest,
  outcome: RollupOutcome,
  { requests, peak, durationSeconds }: { requests: Requests; peak: Peaks; durationSeconds: number },
): RunResult {
  const { status, totals, written, reused, copied, manifest, peakInFlightBytes } = outcome;
  const { deleted, problems = [], warnings } = outcome;
  return {
    status,
    source: formatLocation(source),
    destination: formatLocation(destination),
    objects: totals.objects,
    bytes: totals.bytes,
    skipped: totals.skipped,
    outputs: totals.outputs,
    written,
    reused,
    copied,
    manifest: manifest === undefined ? null : `s3://${destination.bucket}/${manifest}`,
    ...(deleted === undefined ? {} : { deleted }),
    ...(problems.length === 0 ? {} : { problems }),
    ...(warnings === undefined ? {} : { warnings }),
    requests,
    peak: { ...peak, inFlightBytes: peakInFlightBytes },
    durationSeconds,
  };
}

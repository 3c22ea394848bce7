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

/** What a run says at its end: the object that `--json` prints and the function returns. */
export interface RunResult {
  status: 'committed' | 'unchanged' | 'empty' | 'incomplete';
  source: string;
  destination: string;
  objects: number;
  bytes: number;
  skipped: { empty: number; filtered: number };
  /** `written` + `reused` + `copied`, but for a run that is incomplete. */
  outputs: number;
  written: number;
  reused: number;
  copied: number;
  /** URI of the manifest; null where nothing is committed yet. */
  manifest: string | null;
  /** What became of the sources in raw; only where they were to be deleted. */
  deleted?: Deleted;
  /** What did not work although the hour is committed; absent where all did. */
  problems?: RunProblem[];
  requests: Requests;
  peak: Peaks & { inFlightBytes: number };
  durationSeconds: number;
}

export interface RunOptions {
  settings: Settings;
  report?: Report;
  hasTime?: () => boolean;
  signal?: AbortSignal;
  now?: () => Date;
  /** What stands there was written by earlier invocations of this request. */
  trustExisting?: boolean;
  /** Has the outputs brought about by others, by way of a plan file. `peak` and `requests` are then without theirs. */
  distribute?: Distribute;
}

/** One rollup over a connection, with what it took. Both the command line and the function run this. */
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

/** What a run came to, and what it took. */
export function resultOf(
  { source, destination }: RollupRequest,
  outcome: RollupOutcome,
  { requests, peak, durationSeconds }: { requests: Requests; peak: Peaks; durationSeconds: number },
): RunResult {
  const { status, totals, written, reused, copied, manifest, peakInFlightBytes } = outcome;
  const { deleted, problems = [] } = outcome;
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
    requests,
    peak: { ...peak, inFlightBytes: peakInFlightBytes },
    durationSeconds,
  };
}

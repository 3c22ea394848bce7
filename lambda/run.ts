import {
  type Deleted,
  type Distribute,
  type Endpoints,
  type Report,
  type RollupOutcome,
  type RollupRequest,
  type RunProblem,
  type RunWarning,
  type Skipped,
  formatLocation,
  type RunFigures,
  type RunSoFar,
  formatFigures,
  rollUp,
  rollUpByPlan,
} from './rollup/index.ts';
import type { Connection, Peaks, Requests } from './s3/connection.ts';
import type { Settings } from './settings/table.ts';
import { VERSION } from './version.ts';

/** The result of a run: the object that `--json` prints and the function returns. Sizes are in bytes. */
export interface RunResult {
  /** `incomplete`: there was no time for all outputs, and nothing was committed. */
  status: 'committed' | 'unchanged' | 'empty' | 'incomplete';
  source: string;
  destination: string;
  objects: number;
  bytes: number;
  /** Objects that were listed and left out, by the reason; `hidden` and `own` are absent where there are none. */
  skipped: Skipped;
  /** Outputs of the rollup: `written` + `reused` + `copied`, except for a run that is incomplete. */
  outputs: number;
  written: number;
  reused: number;
  copied: number;
  /**
   * Sources whose header lines are not those of their output, so that they stay in the middle of it; absent unless
   * `headerLines` is set.
   */
  headersKept?: number;
  /** URI of the manifest; null where nothing is committed. */
  manifest: string | null;
  /** Counts of deleted and kept sources; absent unless sources are to be deleted. */
  deleted?: Deleted;
  /** Failures of what follows a commit; the hour is committed all the same. Absent where there are none. */
  problems?: RunProblem[];
  /** What may be a mistake: see `RunWarning`. Absent where nothing was noticed. */
  warnings?: RunWarning[];
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
  /** @defaultValue `library`; see `RunFigures`, as are the others */
  by?: RunFigures['by'];
  /** @defaultValue 0 */
  continuations?: number;
  memoryLimitBytes?: number | undefined;
  /**
   * Adds the usage of other processes to that of this one.
   *
   * @defaultValue there is none
   */
  withOthers?: (own: Usage) => Usage;
}

/** Requests and peaks of a run. */
export type Usage = Pick<RunFigures, 'requests' | 'peak'>;

/**
 * One rollup over a connection, measured. Both the command line and the function run this.
 *
 * @returns the outcome with requests, peaks and duration
 * @throws RollupError as `rollUp` does
 */
export async function run(
  request: RollupRequest,
  connection: Pick<Connection, 'store' | 'gauge' | 'takeRequests' | 'countRequests'> & Endpoints,
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
  const { store, raw, gauge, takeRequests } = connection;
  const began = performance.now();
  const describeRun = describer(connection, { ...options, startedAt: now() });
  takeRequests();
  gauge.start();
  try {
    const context = { store, raw, settings, report, hasTime, signal, now, trustExisting, describeRun };
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

/**
 * Returns a function that gives the figures of a run so far as user metadata of a manifest.
 *
 * @param options `startedAt`: the time of the run's beginning, which is now
 */
export function describer(
  { gauge, countRequests }: Pick<Connection, 'gauge' | 'countRequests'>,
  {
    by = 'library',
    continuations = 0,
    memoryLimitBytes,
    withOthers = (own) => own,
    startedAt,
  }: Pick<RunOptions, 'by' | 'continuations' | 'memoryLimitBytes' | 'withOthers'> & { startedAt: Date },
): (soFar: RunSoFar) => Record<string, string> {
  const began = performance.now();
  return ({ peakInFlightBytes: inFlightBytes, plannedAt }) => {
    const own = { requests: countRequests(), peak: { ...gauge.peaks, inFlightBytes } };
    const plannedBefore = plannedAt === undefined ? 0 : startedAt.getTime() - plannedAt.getTime();
    return formatFigures({
      version: VERSION,
      startedAt: (plannedAt ?? startedAt).toISOString(),
      durationSeconds: Math.max(0, Math.round(plannedBefore) / 1000 + secondsSince(began)),
      by,
      ...withOthers(own),
      ...(memoryLimitBytes === undefined ? {} : { memoryLimitBytes }),
      continuations,
    });
  };
}

function secondsSince(began: number): number {
  return Math.round(performance.now() - began) / 1000;
}

/** The outcome of a rollup and its usage as a `RunResult`. */
export function resultOf(
  { destination }: Pick<RollupRequest, 'destination'>,
  outcome: RollupOutcome,
  { requests, peak, durationSeconds }: { requests: Requests; peak: Peaks; durationSeconds: number },
): RunResult {
  const { status, totals, written, reused, copied, headersKept, manifest, peakInFlightBytes } = outcome;
  const { deleted, problems = [], source, warnings } = outcome;
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
    ...(headersKept === undefined ? {} : { headersKept }),
    manifest: manifest === undefined ? null : `s3://${destination.bucket}/${manifest}`,
    ...(deleted === undefined ? {} : { deleted }),
    ...(problems.length === 0 ? {} : { problems }),
    ...(warnings.length === 0 ? {} : { warnings }),
    requests,
    peak: { ...peak, inFlightBytes: peakInFlightBytes },
    durationSeconds,
  };
}

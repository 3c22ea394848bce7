import { type Report, hasPlaceholders, refuseOverlap, refuseUnlistable } from '../lambda/rollup/index.ts';
import { type PlanResult, planRun } from '../lambda/plan.ts';
import { type RunResult, run } from '../lambda/run.ts';
import { type EngineOptions, connected } from './request.ts';

/** Options of `rollUp` and `plan`. */
export interface RollUpOptions extends EngineOptions {
  /** Prefix to roll up, taken as it is written: `s3://bucket/prefix/`. */
  readonly source: string;
  /** Where to: `s3://bucket/prefix/`, apart from the source. */
  readonly destination: string;
  /**
   * Plan every source afresh, into new outputs.
   *
   * @defaultValue false: what is committed stays
   */
  readonly repack?: boolean | undefined;
  /** Receives what happens, as it happens. It must not throw. */
  readonly onEvent?: Report | undefined;
}

/**
 * Rolls up one prefix, as `s3-rollup run` does. Run again: what is committed stays, and what came since is added.
 *
 * @example
 * const { status, outputs } = await rollUp({
 *   hour: '2026-11-21T08',
 *   source: 's3://application-logs/raw/checkout/{yyyy}{MM}{dd}/{HH}/',
 *   destination: 's3://application-logs/aggregated/checkout/{yyyy}{MM}{dd}/{HH}/',
 *   settings: { targetSize: '64MiB' },
 * });
 * @returns what was done. `problems` has what failed after the commit.
 * @throws RollupError whose `code` says what is wrong: `InvalidArgument` for options, `Aborted` after the signal
 */
export async function rollUp(options: RollUpOptions): Promise<RunResult> {
  return connected(options, (connection, { settings, signal, ...parsed }) => {
    const request = requestOf(options, parsed);
    refuseUnlistable(request.destination, settings);
    return run(request, connection, { settings, signal, report: options.onEvent ?? (() => undefined) });
  });
}

/**
 * Tells what `rollUp` would do with the same options, and writes nothing.
 *
 * @returns the outputs that it would write, and the requests that it would take
 * @throws RollupError as `rollUp` does
 */
export async function plan(options: RollUpOptions): Promise<PlanResult> {
  return connected(options, async (connection, { settings, signal, ...parsed }) => {
    const request = requestOf(options, parsed);
    refuseUnlistable(request.destination, settings);
    const report = options.onEvent ?? (() => undefined);
    return (await planRun(request, connection, { settings, signal, report })).plan;
  });
}

type Parsers = Pick<Parameters<Parameters<typeof connected>[1]>[1], 'source' | 'destination'>;

function requestOf({ repack = false, settings, ...given }: RollUpOptions, parsers: Parsers) {
  const source = parsers.source(given.source);
  const destination = parsers.destination(given.destination);
  refuseOverlap(source, destination);
  // What is asked for here stays with the hour, as on the command line.
  const deleteSource = settings?.deleteSource;
  return { source, destination, repack, deleteSource, asWritten: hasPlaceholders(given.source) };
}

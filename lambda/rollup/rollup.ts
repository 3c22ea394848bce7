import { RollupError, hasCode } from '../errors.ts';
import type { Settings } from '../settings/settings.ts';
import { Assembler } from './write/assemble.ts';
import { commitOutputs } from './commit/commit.ts';
import { conclude } from './commit/conclude.ts';
import type { Report, RollupEvent } from './model/events.ts';
import { type Location, refuseOverlap } from './model/location.ts';
import { MANIFEST_NAME, type Manifest } from './model/manifest.ts';
import { refuseUnlistable } from './commit/markers.ts';
import { sidecarKeyOf } from './codec/sidecar.ts';
import type { Settled } from './commit/after-commit.ts';
import type { Sides } from './model/endpoints.ts';
import { createPlanner, planSources, readBefore } from './plan/list-and-plan.ts';
import { writeOutputs } from './write/write-outputs.ts';

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

/** Rolls one prefix up: plan, write, commit. Throws `RollupError`. */
export async function rollUp(request: RollupRequest, context: RollupContext): Promise<RollupOutcome> {
  refuseOverlap(request.source, request.destination);
  refuseUnlistable(request.destination, context.settings);
  return stoppable(context, () => attemptUntilCommitted(request, context));
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

async function attemptUntilCommitted(request: RollupRequest, context: RollupContext): Promise<RollupOutcome> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const outcome = await attemptOnce(request, context);
    if (outcome !== 'lost') return outcome;
    context.report({ type: 'lost', attempt });
  }
  throw lostToOthers(request.destination);
}

export function lostToOthers({ prefix }: Location): RollupError {
  return new RollupError(
    'Conflict',
    `Other runs committed ${prefix} first, ${ATTEMPTS} times. Run again once they have ended.`,
    { key: prefix + MANIFEST_NAME },
  );
}

/** Plan, write, commit, each streamed into the next: an output is written while the listing still comes. */
async function attemptOnce(request: RollupRequest, context: RollupContext): Promise<RollupOutcome | 'lost'> {
  const { source, destination } = request;
  const before = await readBefore(request, context);
  const wrote: string[] = [];
  const report = (event: RollupEvent): void => {
    if (event.type === 'output' && event.how !== 'reused') {
      wrote.push(event.key);
      if (context.settings.codec !== 'keep') wrote.push(sidecarKeyOf(event.key, destination));
    }
    context.report(event);
  };

  const planner = createPlanner(request, context, before);
  const planned = planSources(request, context, planner, before.previous);
  const isTrusted = (): boolean => context.trustStanding === true;
  const assembler = new Assembler({
    ...{ ...context, source, destination, present: before.present },
    ...{ isTrusted, report },
  });
  const outputs = writeOutputs(planned, assembler, context.hasTime);
  const result = await commitOutputs(request, context, {
    previous: before.previous,
    plan: planner,
    outputs,
    wrote,
  });
  return conclude(request, context, { before, result, peakInFlightBytes: assembler.peakInFlightBytes });
}

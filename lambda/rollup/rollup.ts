import { sidecarKeyOf } from './codec/sidecar.ts';
import { commitOutputs } from './commit/commit.ts';
import { conclude } from './commit/conclude.ts';
import { refuseUnlistable } from './commit/markers.ts';
import type { RollupEvent } from './model/events.ts';
import { refuseOverlap } from './model/location.ts';
import {
  ATTEMPTS,
  type RollupContext,
  type RollupOutcome,
  type RollupRequest,
  lostToOthers,
  stoppable,
} from './model/run.ts';
import { createPlanner, planSources, readBefore } from './plan/list-and-plan.ts';
import { Assembler } from './write/assemble.ts';
import { writeOutputs } from './write/write-outputs.ts';

/** Rolls one prefix up: plan, write, commit. Throws `RollupError`. */
export async function rollUp(request: RollupRequest, context: RollupContext): Promise<RollupOutcome> {
  refuseOverlap(request.source, request.destination);
  refuseUnlistable(request.destination, context.settings);
  return stoppable(context, () => attemptUntilCommitted(request, context));
}

async function attemptUntilCommitted(request: RollupRequest, context: RollupContext): Promise<RollupOutcome> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const outcome = await attemptOnce(request, context);
    if (outcome !== 'lost') return outcome;
    context.report({ type: 'lost', attempt });
  }
  throw lostToOthers(request.destination);
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

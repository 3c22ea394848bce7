import { untilCommitted } from './attempts.ts';
import { afterCommit } from './commit/after-commit.ts';
import { commit, unlessLost } from './commit/commit.ts';
import { Draft } from './commit/draft.ts';
import { refuseUnlistable } from './commit/markers.ts';
import { readDestination } from './committed/read-destination.ts';
import { refuseOverlap } from './model/location.ts';
import type { RollupContext, RollupOutcome, RollupRequest } from './model/run.ts';
import { createPlanner, listAndPlan } from './plan/list-and-plan.ts';
import { OutputWriter } from './write/output-writer.ts';

/**
 * Rolls one prefix up: what is new under `source` goes into outputs under `destination`, and the manifest there commits
 * them. A run that was killed is continued by calling it again.
 *
 * @param request the two prefixes, neither of which may begin with the other
 * @param context the stores of both, the settings, and whatever must be passed in: clock, report, time limit, signal
 * @returns `committed`, `empty` or `unchanged`; `incomplete` where `hasTime` said that there was no time for all of it
 * @throws RollupError with a code and, where an object is to blame, its key; `Conflict` where other runs committed first
 */
export async function rollUp(request: RollupRequest, context: RollupContext): Promise<RollupOutcome> {
  refuseOverlap(request.source, request.destination);
  refuseUnlistable(request.destination, context.settings);
  return untilCommitted(request.destination, context, () => attempt(request, context));
}

/** From what is committed to what is committed then. `lost`: another run committed first. */
async function attempt(request: RollupRequest, context: RollupContext): Promise<RollupOutcome | 'lost'> {
  const { source, destination } = request;
  const state = await readDestination(request, context);
  const planner = createPlanner(request, context, state);
  const draft = new Draft(planner, state.previous);
  const writer = new OutputWriter({
    ...{ ...context, source, destination, present: state.present },
    isTrusted: () => context.trustExisting === true,
  });
  const result = await unlessLost(
    request,
    context,
    { previous: state.previous, keys: writer.keys },
    async () => {
      // Each is streamed into the next: the first output is written while the listing still comes.
      const planned = listAndPlan(request, context, planner, state.previous);
      for await (const output of writer.write(planned)) await draft.add(output);
      return commit(request, context, draft, state.previous);
    },
  );
  const { peakInFlightBytes } = writer;
  return afterCommit(request, context, { state, result, peakInFlightBytes });
}

import { type AttemptState, untilCommitted } from './attempts.ts';
import { afterCommit } from './commit/after-commit.ts';
import { commit, isLost, unlessLost } from './commit/commit.ts';
import { Draft } from './commit/draft.ts';
import { refuseUnlistable } from './commit/markers.ts';
import { readDestination } from './committed/read-destination.ts';
import { untilStopped } from './model/endpoints.ts';
import { refuseOverlap } from './model/location.ts';
import type { RollupContext, RollupOutcome, RollupRequest, RunWarning } from './model/run.ts';
import { createPlanner, listAndPlan } from './plan/list-and-plan.ts';
import { warnOfEmpty } from './plan/warn-of-empty.ts';
import { OutputWriter } from './write/output-writer.ts';

/**
 * Rolls one prefix up: writes the new sources under `source` into outputs under `destination`, and commits them by the
 * manifest there. Call it again to continue a run that was killed: outputs that are complete are reused.
 *
 * @param request the two prefixes, neither of which may begin with the other
 * @param given the stores of both, the settings, the clock, the time limit, the signal and the report
 * @returns the outcome: `committed`; `empty` if there is nothing to roll up; `unchanged` if all of it is committed already;
 *   `incomplete` if `hasTime` returned false before the last output, in which case nothing is committed
 * @throws RollupError with a code and, if an object is to blame, its key. `Conflict`: other runs committed first, each of
 *   `ATTEMPTS` times. `Aborted`: the signal ended the run
 * @example
 * const request = { source: parseLocation('s3://b/raw/app/08/'), destination: parseLocation('s3://b/out/app/08/') };
 * const { status, totals } = await rollUp(request, { store, settings, now, report, hasTime: () => true, signal });
 */
export async function rollUp(request: RollupRequest, given: RollupContext): Promise<RollupOutcome> {
  const context = untilStopped(given);
  refuseOverlap(request.source, request.destination);
  refuseUnlistable(request.destination, context.settings);
  return untilCommitted(request.destination, context, (state) => attempt(request, context, state));
}

/**
 * One attempt, from the current manifest to the next. `lost`: another run committed in between. Throws `FormatMistaken`
 * where a source is of another format than it was planned as, `CommittedVanished` where a committed one has left raw.
 */
async function attempt(
  given: RollupRequest,
  context: RollupContext,
  { samplesAll, readsOutputs, abandoned, warnings: earlier }: AttemptState,
): Promise<RollupOutcome | 'lost'> {
  const state = await readDestination(given, context);
  const request = { ...given, source: state.source };
  const { source, destination } = request;
  const planner = createPlanner(request, { ...context, samplesAll }, state);
  const draft = new Draft(planner, state.previous);
  const writer = new OutputWriter({
    ...context,
    source,
    destination,
    present: state.present,
    isTrusted: () => context.trustExisting === true,
    isLost: (error) => isLost(error, request, context, state.previous),
  });
  const warnings: RunWarning[] = [...state.warnings, ...earlier];
  const result = await unlessLost(
    request,
    context,
    { previous: state.previous, draft, keys: writer.keys, abandoned },
    async () => {
      // Outputs are written as they are planned: the first ones while the listing is still read.
      const planned = listAndPlan(request, { ...context, readsOutputs }, planner, state.previous);
      for await (const output of writer.write(planned)) await draft.add(output);
      if (draft.isEmpty) warnings.push((await warnOfEmpty(source, context, planner)).warning);
      warnings.push(...planner.joined.warnings, ...writer.warnings);
      const { peakInFlightBytes } = writer;
      return commit(request, context, draft, state.previous, { peakInFlightBytes });
    },
  );
  const { peakInFlightBytes } = writer;
  return afterCommit(request, context, { state, result, peakInFlightBytes, abandoned, warnings });
}

import { RollupError } from '../errors.ts';
import type { Assembled } from './assemble.ts';
import { deleteUnnamed } from './cleanup.ts';
import { commitOutputs } from './commit-outputs.ts';
import { readCommitted } from './committed.ts';
import { conclude } from './conclude.ts';
import { settingsOf } from './fan-write.ts';
import { inOrder } from './in-order.ts';
import { parseLocation } from './location.ts';
import { type PlanAt, type PlanHeader, type PlanLine, pickSealed } from './plan-file.ts';
import { isPlanGone, readHeader, readLines, removePlan } from './plan-store.ts';
import { findFinished } from './reuse.ts';
import { keysOf } from './sidecar.ts';
import type { RollupContext, RollupOutcome } from './rollup.ts';
import { listPresent } from './survey.ts';

/** Outputs that are looked at, at once. */
const LOOKS = 64;

type FanContext = Omit<RollupContext, 'hasTime'>;

/**
 * The commit step by itself: takes every planned output as it is there, and commits them. Afterwards the plan is removed,
 * whoever committed. Throws `OutputMissing`.
 */
export async function commitPlan(at: PlanAt, context: FanContext): Promise<RollupOutcome | 'lost'> {
  const { store } = context;
  const header = await readHeader(store, at);
  // A plan is only ever removed once what it was made from has been replaced.
  if (header === undefined) return 'lost';
  const { destination } = at;
  const source = parseLocation(header.source);
  const request = { source, destination, repack: header.repack };
  const previous = await readCommitted(store, destination, source);
  if ((previous?.etag ?? null) !== header.previous) {
    const wrote: string[] = [];
    for await (const { output } of readLines(store, at, header, context.signal))
      wrote.push(...keysOf(output, destination));
    await deleteUnnamed(store, destination, wrote);
    await removePlan(store, at);
    return 'lost';
  }
  // Before the commit: what whoever plans from it writes is not looked at.
  const present = await listPresent(store, destination, context.signal);
  const { generation, skipped } = header;
  const sealed = pickSealed(previous?.manifest.outputs ?? [], header.sealed);
  const wrote: string[] = [];
  const result = await commitOutputs(
    request,
    { ...context, settings: settingsOf(header, context) },
    {
      previous,
      plan: { generation, skipped, sealed },
      outputs: finishedOutputs(at, header, wrote, context),
      wrote,
    },
  ).catch((error: unknown) => {
    if (isPlanGone(error, at)) return { status: 'lost' as const };
    throw error;
  });
  const before = { previous, present, listingBegan: new Date(header.listingBegan) };
  const outcome = await conclude(request, context, { before, result, peakInFlightBytes: 0 });
  await removePlan(store, at);
  return outcome;
}

/** Every output of the plan, in its order. Their keys are noted. */
function finishedOutputs(
  at: PlanAt,
  header: PlanHeader,
  wrote: string[],
  { store, signal }: FanContext,
): AsyncGenerator<Assembled> {
  const { destination } = at;
  const stop = new AbortController();
  const stopped = AbortSignal.any([stop.signal, signal]);
  const find = async ({ output, stood }: PlanLine): Promise<Assembled> => {
    wrote.push(...keysOf(output, destination));
    stopped.throwIfAborted();
    const found = await findFinished(output, { store, destination, present: undefined, signal: stopped });
    if (found === undefined) throw missing(output.key);
    const how = stood ? 'reused' : output.mode === 'copy' ? 'copied' : 'written';
    return { ...found, how };
  };
  return inOrder(readLines(store, at, header, stopped), LOOKS, stop, find);
}

function missing(key: string): RollupError {
  const message = `${key} is planned and is not there. Run again: what is written is kept.`;
  return new RollupError('OutputMissing', message, { key });
}

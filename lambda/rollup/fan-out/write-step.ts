import { RollupError } from '../../errors.ts';
import { FormatMistaken } from '../codec/source-format.ts';
import { untilStopped } from '../model/endpoints.ts';
import type { Location } from '../model/location.ts';
import { MANIFEST_NAME, MOST_MANIFEST, badManifest, parseManifest } from '../model/manifest.ts';
import type { OutputCounts, PlannedOutput } from '../model/output.ts';
import type { RollupContext, RollupRequest, RunWarning } from '../model/run.ts';
import type { Store } from '../model/store.ts';
import { OutputWriter } from '../write/output-writer.ts';
import { type Basis, checkBasis, checkHeader, createLineCheck, settingsOf } from './check-plan.ts';
import type { PinnedPlan, PlanHeader, PlanItem } from './plan-file.ts';
import { isMistaken, isPlanGone, markMistaken, readHeader, readLine } from './plan-store.ts';

type Item = Pick<PlanItem, 'offset' | 'length'>;

/**
 * The result of writing a batch of items. `incomplete`: there was no time for all of them. `lost`: another run committed
 * first, or the plan is mistaken about the format of a source, or counts on one that is gone, which the commit step then says.
 * `bytes`: the sum of the sizes of outputs, reused ones included.
 */
export type WriteStep =
  | { status: 'lost' }
  | {
      status: 'written' | 'incomplete';
      counts: OutputCounts;
      bytes: number;
      peakInFlightBytes: number;
      warnings: RunWarning[];
    };

/**
 * The second step of a rollup that many carry out: writes the outputs of some lines of a plan.
 *
 * @param plan the plan, pinned by its ETag
 * @param items the places of the lines in the plan's file
 * @param given the same request as that of `planToFile`: a plan for another is refused
 * @param stepContext as for `rollUp`, without a clock. The settings that shape outputs come from the plan
 * @returns `written` with counts; `incomplete`, if `hasTime` returned false before the last output; `lost`, if the plan
 *   cannot be carried out any more: another run has committed since it was made, or it is mistaken about a format, or a
 *   source that it counts on is gone
 * @throws RollupError `BadPlan` for a plan or a line that is not one for this request, before anything is read or written
 *   for it; otherwise as `rollUp` does for downloads and uploads
 */
export async function writeItems(
  plan: PinnedPlan,
  items: Iterable<Item> | AsyncIterable<Item>,
  given: RollupRequest,
  stepContext: Omit<RollupContext, 'now'>,
): Promise<WriteStep> {
  const context = untilStopped(stepContext);
  const { at } = plan;
  const { store, signal } = context;
  const header = await readHeader(store, plan, signal);
  if (header === undefined) return { status: 'lost' };
  const request = checkHeader(header, at, given);
  const { source, destination } = request;
  const settings = settingsOf(header, at, context);
  const basis = await readBasis(store, destination, header);
  if (basis === 'replaced' || (await isMistaken(store, at))) return { status: 'lost' };
  checkBasis(header, at, basis);
  const check = createLineCheck(header, at, request, { settings, basis });
  // An output that appeared after the plan was written by an attempt at these items; an older one may be any object.
  const older = new WeakSet<PlannedOutput>();
  async function* planned(from: PlanHeader): AsyncGenerator<PlannedOutput> {
    for await (const item of items) {
      const { output, stood } = await readLine(store, at, from, item, signal);
      check(output);
      if (stood) older.add(output);
      yield output;
    }
  }
  const writer = new OutputWriter({
    ...context,
    settings,
    source,
    destination,
    present: undefined,
    isTrusted: (output) => !older.has(output),
    isLost: (error) => isOver(error, plan, header, store),
  });
  const counts: OutputCounts = { written: 0, copied: 0, reused: 0 };
  let bytes = 0;
  let isComplete = true;
  try {
    for await (const output of writer.write(planned(header))) {
      isComplete &&= output !== undefined;
      if (output === undefined) continue;
      counts[output.how]++;
      bytes += output.output.size;
    }
  } catch (error) {
    // Once another run has committed, uploads of this plan are aborted, and objects that it reads may be deleted.
    if (signal.aborted) throw error;
    if (error instanceof FormatMistaken) await markMistaken(store, at, error);
    else if (!(await isOver(error, plan, header, store))) {
      // Another run may delete sources that are committed. The commit step reads the index, and knows if this one is.
      if (!(error instanceof RollupError) || error.code !== 'SourceVanished') throw error;
      await markMistaken(store, at, error);
    }
    return { status: 'lost' };
  }
  const { peakInFlightBytes, warnings } = writer;
  return { status: isComplete ? 'written' : 'incomplete', counts, bytes, peakInFlightBytes, warnings };
}

/** The manifest that the plan was made from, undefined if there was none; `replaced` if it is not the current one. */
async function readBasis(
  store: Store,
  { bucket, prefix }: Location,
  { previous }: PlanHeader,
): Promise<Basis> {
  const key = prefix + MANIFEST_NAME;
  const current = await store.getBounded({ bucket, key }, MOST_MANIFEST);
  if ((current?.etag ?? null) !== previous) return 'replaced';
  if (current === undefined) return undefined;
  if (current.body === undefined) throw badManifest(key, `it has ${current.size} bytes`);
  return parseManifest(current.body, key);
}

/** True of an error after which another run turns out to have committed, or the plan to have been removed. */
async function isOver(
  error: unknown,
  { at }: PinnedPlan,
  header: PlanHeader,
  store: Store,
): Promise<boolean> {
  if (!(error instanceof RollupError) || error.code === 'AccessDenied' || error.code === 'BadPlan')
    return false;
  return isPlanGone(error, at) || isReplaced(store, at.destination, header).catch(() => false);
}

/** True if the manifest that the plan was made from is not the current one. */
async function isReplaced(
  store: Store,
  { bucket, prefix }: Location,
  { previous }: PlanHeader,
): Promise<boolean> {
  const current = await store.head({ bucket, key: prefix + MANIFEST_NAME });
  return (current?.etag ?? null) !== previous;
}

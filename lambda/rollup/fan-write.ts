import { RollupError } from '../errors.ts';
import { parseSettings } from '../settings.ts';
import { Assembler } from './assemble.ts';
import type { Fates } from './commit-outputs.ts';
import { type Location, parseLocation } from './location.ts';
import { MANIFEST_NAME } from './manifest.ts';
import type { PlannedOutput } from './pack.ts';
import type { PlanAt, PlanHeader, PlanItem } from './plan-file.ts';
import { isPlanGone, readHeader, readLine } from './plan-store.ts';
import type { RollupContext } from './rollup.ts';
import type { Store } from './store.ts';
import { writeOutputs } from './write-outputs.ts';

type Item = Pick<PlanItem, 'offset' | 'length'>;

/** What a batch of items came to. `bytes`: of outputs, however they came to be there. */
export type WriteStep =
  | { status: 'lost' }
  | { status: 'written' | 'incomplete'; fates: Fates; bytes: number; peakInFlightBytes: number };

/** The write step by itself: brings the outputs of some of a plan's lines about. */
export async function writeItems(
  at: PlanAt,
  items: Iterable<Item> | AsyncIterable<Item>,
  context: Omit<RollupContext, 'now'>,
): Promise<WriteStep> {
  const { store, signal } = context;
  const header = await readHeader(store, at);
  if (header === undefined || (await isReplaced(store, at.destination, header))) return { status: 'lost' };
  // What came to be there since was written by an attempt at these items; what is older may be anybody's.
  const older = new WeakSet<PlannedOutput>();
  async function* planned(plan: PlanHeader): AsyncGenerator<PlannedOutput> {
    for await (const item of items) {
      const { output, stood } = await readLine(store, at, plan, item, signal);
      if (stood) older.add(output);
      yield output;
    }
  }
  const assembler = new Assembler({
    ...context,
    settings: settingsOf(header, context),
    source: parseLocation(header.source),
    destination: at.destination,
    present: undefined,
    isTrusted: (output) => !older.has(output),
  });
  const fates: Fates = { written: 0, copied: 0, reused: 0 };
  let bytes = 0;
  let complete = true;
  try {
    for await (const assembled of writeOutputs(planned(header), assembler, context.hasTime)) {
      complete &&= assembled !== undefined;
      if (assembled === undefined) continue;
      fates[assembled.how]++;
      bytes += assembled.output.size;
    }
  } catch (error) {
    // Once another run has committed, uploads of this plan are ended, and what it reads may be deleted.
    if (signal.aborted || !(await isOver(error, at, header, store))) throw error;
    return { status: 'lost' };
  }
  const { peakInFlightBytes } = assembler;
  return { status: complete ? 'written' : 'incomplete', fates, bytes, peakInFlightBytes };
}

/** The plan's settings, but for those by which a process is sized. */
export function settingsOf(
  { settings }: PlanHeader,
  { settings: { concurrency, outputsInFlight } }: Pick<RollupContext, 'settings'>,
): RollupContext['settings'] {
  return { ...parseSettings(settings, (name) => name), concurrency, outputsInFlight };
}

async function isOver(error: unknown, at: PlanAt, header: PlanHeader, store: Store): Promise<boolean> {
  if (!(error instanceof RollupError) || error.code === 'AccessDenied') return false;
  return isPlanGone(error, at) || isReplaced(store, at.destination, header).catch(() => false);
}

/** Whether what the plan was made from is no longer what is committed. */
async function isReplaced(
  store: Store,
  { bucket, prefix }: Location,
  { previous }: PlanHeader,
): Promise<boolean> {
  const standing = await store.head({ bucket, key: prefix + MANIFEST_NAME });
  return (standing?.etag ?? null) !== previous;
}

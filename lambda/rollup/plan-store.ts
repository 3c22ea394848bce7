import { RollupError } from '../errors.ts';
import { MiB } from '../size.ts';
import {
  type PlanAt,
  type PlanHeader,
  type PlanItem,
  type PlanLine,
  badPlan,
  parseHeader,
  parseItem,
  parseLine,
  planFiles,
} from './plan-file.ts';
import type { Store } from './store.ts';

const NEWLINE = 0x0a;

/** Bytes of a header: it has some 40 for outputs that stay in a row, so that 400,000 such rows fit. */
const MOST_HEADER = 16 * MiB;

/** The header of a plan; undefined where the plan is not there. Throws `BadPlan`. */
export async function readHeader(store: Store, at: PlanAt): Promise<PlanHeader | undefined> {
  const { header } = planFiles(at);
  const found = await store.getBounded(header, MOST_HEADER);
  if (found === undefined) return undefined;
  if (found.body === undefined) {
    throw badPlan(header.key, `it has ${found.size} bytes, and none has more than ${MOST_HEADER}`);
  }
  return parseHeader(found.body, at);
}

/** One line of a plan. */
export async function readLine(
  store: Store,
  at: PlanAt,
  { lines: { etag } }: PlanHeader,
  { offset, length }: Pick<PlanItem, 'offset' | 'length'>,
  signal: AbortSignal,
): Promise<PlanLine> {
  const line = Buffer.allocUnsafe(length);
  await store.read({ ...planFiles(at).lines, etag, range: { offset, length } }, line, signal);
  return parseLine(line, at);
}

/** All lines of a plan, one after another. */
export async function* readLines(
  store: Store,
  at: PlanAt,
  { lines: { etag } }: PlanHeader,
  signal: AbortSignal,
): AsyncGenerator<PlanLine> {
  const lines = linesOf(store.stream({ ...planFiles(at).lines, etag }, signal));
  for await (const line of lines) yield parseLine(line, at);
}

async function* linesOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let held: Buffer[] = [];
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      yield Buffer.concat([...held, chunk.subarray(start, end)]);
      held = [];
      start = end + 1;
    }
    // The chunk's memory may be used again for the next one.
    if (start < chunk.length) held.push(Buffer.from(chunk.subarray(start)));
  }
}

/** All items of a plan, one after another. */
export async function* readItems(store: Store, at: PlanAt, signal: AbortSignal): AsyncGenerator<PlanItem> {
  const { items } = planFiles(at);
  const found = await store.head(items);
  if (found === undefined) return;
  for await (const line of linesOf(store.stream({ ...items, etag: found.etag }, signal)))
    yield parseItem(line, at);
}

/** Deletes what lies of a plan. */
export async function removePlan(store: Store, at: PlanAt): Promise<void> {
  const files = Object.values(planFiles(at));
  await store.delete(
    at.destination.bucket,
    files.map(({ key }) => key),
  );
}

/**
 * Whether an error means that the plan was removed under our hands. It is only ever removed once what it was made from
 * has been replaced: by its own commit, or after another's.
 */
export function isPlanGone(error: unknown, at: PlanAt): boolean {
  if (!(error instanceof RollupError)) return false;
  return error.code === 'SourceVanished' && error.key === planFiles(at).lines.key;
}

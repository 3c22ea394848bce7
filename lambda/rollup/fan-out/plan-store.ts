import { z } from 'zod';
import { RollupError, hasCode } from '../../errors.ts';
import { KiB, MiB } from '../../size.ts';
import { FormatMistaken } from '../codec/source-format.ts';
import type { ObjectAt } from '../model/location.ts';
import { NEWLINE } from '../model/newline.ts';
import type { Store } from '../model/store.ts';
import {
  type PinnedPlan,
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

/** The most bytes of a header: a range of outputs that stay takes some 40, so that 400,000 such ranges fit. */
const MOST_HEADER = 16 * MiB;
/** The most bytes of the word of a mistake: a key and two names. */
const MOST_MISTAKE = 16 * KiB;

/**
 * Reads the header of a plan.
 *
 * @returns undefined if the plan does not exist
 * @throws RollupError `BadPlan` if the header has another ETag, or is too large or not well formed
 */
export async function readHeader(
  store: Store,
  { at, etag }: PinnedPlan,
  signal: AbortSignal,
): Promise<PlanHeader | undefined> {
  const { header } = planFiles(at);
  try {
    const chunks: Buffer[] = [];
    let size = 0;
    // The chunk's memory may be used again for the next one.
    for await (const chunk of store.stream({ ...header, etag }, signal)) {
      size += chunk.length;
      if (size > MOST_HEADER) throw badPlan(header.key, `it has more than ${MOST_HEADER} bytes`);
      chunks.push(Buffer.from(chunk));
    }
    return parseHeader(Buffer.concat(chunks), at);
  } catch (error) {
    if (hasCode(error, 'SourceVanished')) return undefined;
    throw asReplaced(error, header, etag);
  }
}

/** Reads one line of a plan. Throws `BadPlan`. */
export async function readLine(
  store: Store,
  at: PlanAt,
  { lines: { etag, size } }: PlanHeader,
  { offset, length }: Pick<PlanItem, 'offset' | 'length'>,
  signal: AbortSignal,
): Promise<PlanLine> {
  const { lines, items } = planFiles(at);
  if (offset + length > size)
    throw badPlan(
      items.key,
      `it has the item ${offset}+${length}, and the lines of the plan have ${size} bytes`,
    );
  const line = Buffer.allocUnsafe(length);
  try {
    await store.read({ ...lines, etag, range: { offset, length } }, line, signal);
  } catch (error) {
    throw asReplaced(error, lines, etag);
  }
  return parseLine(line, at);
}

/** Reads all lines of a plan, one after another. Throws `BadPlan`. */
export async function* readLines(
  store: Store,
  at: PlanAt,
  { lines: { etag } }: PlanHeader,
  signal: AbortSignal,
): AsyncGenerator<PlanLine> {
  for await (const line of linesOf(store, planFiles(at).lines, etag, signal)) yield parseLine(line, at);
}

/** Reads all items of a plan, one after another. Throws `BadPlan`. */
export async function* readItems(
  store: Store,
  at: PlanAt,
  { items: { etag } }: PlanHeader,
  signal: AbortSignal,
): AsyncGenerator<PlanItem> {
  for await (const line of linesOf(store, planFiles(at).items, etag, signal)) yield parseItem(line, at);
}

/** The lines of an object, without their newlines. A last line that has no newline is left out. */
async function* linesOf(
  store: Store,
  at: ObjectAt,
  etag: string,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  let held: Buffer[] = [];
  try {
    for await (const chunk of store.stream({ ...at, etag }, signal)) {
      let start = 0;
      for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
        yield Buffer.concat([...held, chunk.subarray(start, end)]);
        held = [];
        start = end + 1;
      }
      // The chunk's memory may be used again for the next one.
      if (start < chunk.length) held.push(Buffer.from(chunk.subarray(start)));
    }
  } catch (error) {
    throw asReplaced(error, at, etag);
  }
}

/** `SourceChanged` of one of the plan's files as `BadPlan`, because a plan is never written twice; other errors stay. */
function asReplaced(error: unknown, { key }: ObjectAt, etag: string): unknown {
  if (!(error instanceof RollupError) || error.code !== 'SourceChanged' || error.key !== key) return error;
  return badPlan(key, `it was replaced after it was planned, when its ETag was ${etag}`, error);
}

/** A source of another format than it was planned as, or one that is gone. */
const mistakenSchema = z.union([
  z.strictObject({ key: z.string(), found: z.string(), planned: z.string() }),
  z.strictObject({ key: z.string(), vanished: z.literal(true) }),
]);

/** Leaves word that a source is of another format than it was planned as, or gone: nobody can carry the plan out. */
export async function markMistaken(store: Store, at: PlanAt, mistake: RollupError): Promise<void> {
  const { key = '' } = mistake;
  const word: z.infer<typeof mistakenSchema> =
    mistake instanceof FormatMistaken
      ? { key, found: mistake.found, planned: mistake.planned }
      : { key, vanished: true };
  const body = Buffer.from(`${JSON.stringify(word)}\n`);
  await store.put(planFiles(at).mistaken, body, 'application/json');
}

/** True if somebody left word of a mistake. */
export async function isMistaken(store: Store, at: PlanAt): Promise<boolean> {
  return (await store.head(planFiles(at).mistaken)) !== undefined;
}

/** The mistake that somebody left word of, `FormatMistaken` or `SourceVanished`; undefined where the file is none. */
export async function readMistake(store: Store, at: PlanAt): Promise<RollupError | undefined> {
  const found = await store.getBounded(planFiles(at).mistaken, MOST_MISTAKE);
  const { data } = mistakenSchema.safeParse(parseIfJson(found?.body));
  if (data === undefined) return undefined;
  const { key } = data;
  if (!('vanished' in data)) return new FormatMistaken(key, data.found, data.planned);
  const message = `${key} is gone: it was deleted after it was planned. Run again: what is written is kept.`;
  return new RollupError('SourceVanished', message, { key });
}

function parseIfJson(body: Buffer | undefined): unknown {
  try {
    return body && JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
}

/** Deletes the files of a plan. */
export async function removePlan(store: Store, at: PlanAt): Promise<void> {
  const files = Object.values(planFiles(at));
  await store.delete(
    at.destination.bucket,
    files.map(({ key }) => key),
  );
}

/**
 * True of an error that means that the plan was removed while it was being read. It is removed only after the manifest
 * that it was made from has been replaced, by its own commit or by another.
 */
export function isPlanGone(error: unknown, at: PlanAt): boolean {
  if (!(error instanceof RollupError)) return false;
  return error.code === 'SourceVanished' && error.key === planFiles(at).lines.key;
}

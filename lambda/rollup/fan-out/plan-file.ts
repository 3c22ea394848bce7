import { z } from 'zod';
import { RollupError } from '../../errors.ts';
import { KINDS } from '../model/kind.ts';
import { type Location, type ObjectAt, parseLocation } from '../model/location.ts';
import { type CommittedOutput, MOST_HEADER } from '../model/manifest.ts';
import { type Origin, type PlannedOutput, indexOf } from '../model/output.ts';

/**
 * The place of a plan that many processes carry out. It lies under the destination until it is committed:
 *
 *     _plan/<id>.json         the header, written last: a plan without one does not exist
 *     _plan/<id>.jsonl        a planned output a line
 *     _plan/<id>.items.jsonl  a line for each of those: its offset and length in bytes
 *     _plan/<id>.mistaken.json  a source that proved to be of another format, or gone, where there is one: nobody carries the plan out
 */
export interface PlanAt {
  destination: Location;
  /** 16 hex digits at random: no two plans have the same. */
  id: string;
}

/** A plan that is pinned: its header has this ETag, and names the ETags of the other files. */
export interface PinnedPlan {
  at: PlanAt;
  etag: string;
}

/** Version 2: the header pins the items too, and its own ETag is given to every step. */
const VERSION = 2;
const PLAN_FILE = /^_plan\/[0-9a-f]{16}(\.json|\.jsonl|\.items\.jsonl|\.mistaken\.json)$/;

/** True of a name, below the destination, of a file of a plan. */
export function isPlanFile(name: string): boolean {
  return PLAN_FILE.test(name);
}

/** The places of a plan's files. */
export function planFiles({ destination: { bucket, prefix }, id }: PlanAt) {
  const at = (name: string): ObjectAt => ({ bucket, key: `${prefix}_plan/${id}${name}` });
  return {
    header: at('.json'),
    lines: at('.jsonl'),
    items: at('.items.jsonl'),
    mistaken: at('.mistaken.json'),
  };
}

/** The plans under a destination that have been found mistaken, from the keys that are listed there. */
export function* mistakenPlans(destination: Location, keys: Iterable<string>): Generator<PlanAt> {
  const { prefix } = destination;
  for (const key of keys) {
    if (!key.startsWith(prefix)) continue;
    const id = /^_plan\/([0-9a-f]{16})\.mistaken\.json$/.exec(key.slice(prefix.length))?.[1];
    if (id !== undefined) yield { destination, id };
  }
}

/** The URI of a plan's header, such as `s3://bucket/prefix/_plan/3f2a9c1b7d4e0a5b.json`. */
export function formatPlanAt(at: PlanAt): string {
  const { bucket, key } = planFiles(at).header;
  return `s3://${bucket}/${key}`;
}

/**
 * Parses the URI of a plan's header.
 *
 * @throws RollupError `InvalidArgument` if it is not such a URI
 */
export function parsePlanAt(uri: string): PlanAt {
  const [, folder, id] = /^(s3:\/\/.*)_plan\/([0-9a-f]{16})\.json$/s.exec(uri) ?? [];
  if (folder === undefined || id === undefined) {
    const message = `"${uri}" is not a plan: it must look like s3://bucket/prefix/_plan/3f2a9c1b7d4e0a5b.json.`;
    throw new RollupError('InvalidArgument', message);
  }
  return { destination: parseLocation(folder), id };
}

const count = z.number().int().nonnegative();

/** An item of a plan: the plan's URI, and the offset and the length in bytes of one line of it. */
export const itemSchema = z.strictObject({ plan: z.string(), offset: count, length: count.min(1) });
export type PlanItem = z.infer<typeof itemSchema>;

const rangeSchema = z.tuple([count, count]);

const headerSchema = z.strictObject({
  version: z.literal(VERSION),
  source: z.string(),
  destination: z.string(),
  repack: z.boolean(),
  /** ETag of the manifest that the plan was made from; null where there was none. */
  previous: z.string().nullable(),
  generation: count,
  /** The indices of that manifest's outputs that stay as they are, as ranges: first and last, both included. */
  sealed: z.array(rangeSchema),
  skipped: z.strictObject({
    empty: count,
    filtered: count,
    hidden: count.optional(),
    own: count.optional(),
  }),
  listingBegan: z.iso.datetime(),
  /** The settings that the plan was made with. */
  settings: z.record(z.string(), z.unknown()),
  /** The totals of the planned outputs. */
  totals: z.strictObject({ outputs: count, objects: count, bytes: count }),
  lines: z.strictObject({ etag: z.string(), size: count }),
  items: z.strictObject({ etag: z.string(), size: count }),
});
/** The header of a plan: the request and the manifest that it was made for, and the ETags of the other files. */
export type PlanHeader = z.infer<typeof headerSchema>;

/** The header as it is stored. */
export function formatHeader(header: Omit<PlanHeader, 'version'>): Buffer {
  return Buffer.from(`${JSON.stringify({ version: VERSION, ...header }, null, 2)}\n`);
}

/** Parses a stored header. Throws `BadPlan`. */
export function parseHeader(body: Buffer, at: PlanAt): PlanHeader {
  return parsed(headerSchema, body.toString('utf8'), planFiles(at).header.key);
}

const codecSchema = z.enum(['none', 'gzip', 'zstd']);

const originSchema = z.strictObject({
  key: z.string(),
  etag: z.string(),
  offset: count,
  length: count,
  whole: z.boolean(),
  coded: z.strictObject({ codec: codecSchema, size: count, textSize: count }).optional(),
  encoding: z.enum(['gzip', 'zstd']).optional(),
  header: count.min(1).max(MOST_HEADER).optional(),
} satisfies Record<keyof Origin, z.ZodType>);

const pieceSchema = z.tuple([z.string(), count, z.string(), z.string()], originSchema);

const lineSchema = z.strictObject({
  key: z.string(),
  index: count,
  kind: z.enum(KINDS),
  mode: z.enum(['assemble', 'copy', 'encode']),
  encoding: z.strictObject({ codec: codecSchema, level: count }).optional(),
  headerLines: count.optional(),
  size: count,
  expectedSize: count,
  ensureNewline: z.boolean(),
  /** The prefix that the keys of all sources share. */
  prefix: z.string(),
  /** For each source: key without the prefix, size, ETag, last modified and, if it has left raw, its place in an output. */
  pieces: z.array(pieceSchema).min(1),
  /** True if the output existed before the plan was made. */
  stood: z.boolean(),
} satisfies Record<keyof PlannedOutput | 'prefix' | 'stood', z.ZodType>);

/** One line of a plan. */
export interface PlanLine {
  output: PlannedOutput;
  /** True if the output existed before the plan was made. */
  stood: boolean;
}

/** The line as it is stored, with its newline. */
export function formatLine({ output, stood }: PlanLine): Buffer {
  const { pieces, ...shape } = output;
  const prefix = sharedPrefix(pieces.map(({ source }) => source.key));
  const compact = pieces.map(({ source: { key, size, etag, lastModified }, from }) => {
    const fields: unknown[] = [key.slice(prefix.length), size, etag, lastModified];
    if (from !== undefined) fields.push(from);
    return fields;
  });
  return Buffer.from(`${JSON.stringify({ ...shape, stood, prefix, pieces: compact })}\n`);
}

/** Parses a line of a plan. Throws `BadPlan`. */
export function parseLine(line: Buffer, at: PlanAt): PlanLine {
  const { prefix, pieces, stood, ...shape } = parsed(
    lineSchema,
    line.toString('utf8'),
    planFiles(at).lines.key,
  );
  return {
    stood,
    output: {
      ...shape,
      pieces: pieces.map(([tail, size, etag, lastModified, from]) => ({
        source: { key: prefix + tail, size, etag, lastModified },
        from,
      })),
    },
  };
}

/** Parses a line of a plan's items. Throws `BadPlan`. */
export function parseItem(line: Buffer, at: PlanAt): PlanItem {
  return parsed(itemSchema, line.toString('utf8'), planFiles(at).items.key);
}

/** The lines of a plan's items, from the lengths in bytes of the plan's lines. */
export function* formatItems(at: PlanAt, lengths: Iterable<number>): Generator<Buffer> {
  const plan = formatPlanAt(at);
  let offset = 0;
  for (const length of lengths) {
    const item: PlanItem = { plan, offset, length };
    yield Buffer.from(`${JSON.stringify(item)}\n`);
    offset += length;
  }
}

/** The indices of outputs, which are in their order, as ranges: 0, 1, 2, 4 -> [0, 2], [4, 4]. */
export function formatSealed(sealed: CommittedOutput[]): [number, number][] {
  const ranges: [number, number][] = [];
  for (const { key } of sealed) {
    const index = indexOf(key);
    const last = ranges.at(-1);
    if (last?.[1] === index - 1) last[1] = index;
    else ranges.push([index, index]);
  }
  return ranges;
}

/** Those of the outputs whose indices are in one of the ranges. Both are in their order. */
export function pickSealed(outputs: CommittedOutput[], ranges: [number, number][]): CommittedOutput[] {
  let at = 0;
  return outputs.filter(({ key }) => {
    const index = indexOf(key);
    while ((ranges[at]?.[1] ?? Infinity) < index) at++;
    return (ranges[at]?.[0] ?? Infinity) <= index;
  });
}

function sharedPrefix(keys: string[]): string {
  const [first = '', last = ''] = [keys[0], keys.at(-1)];
  let shared = 0;
  // Keys are in order: all share the prefix that the first and the last do. Half a surrogate pair is no text.
  while (shared < first.length && first[shared] === last[shared]) shared++;
  if (/[\uD800-\uDBFF]/.test(first[shared - 1] ?? '')) shared--;
  return first.slice(0, shared);
}

function parsed<T>(schema: z.ZodType<T>, text: string, key: string): T {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw badPlan(key, 'it is not JSON', cause);
  }
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  throw badPlan(key, z.prettifyError(result.error).replaceAll('\n', ' '));
}

/**
 * The error for a plan that cannot be carried out.
 *
 * @param key of the plan's file that is to blame
 * @param why ends a sentence that begins with the key
 */
export function badPlan(key: string, why: string, cause?: unknown): RollupError {
  const message = `${key} is not a plan of this program, or was damaged: ${why}. Start the rollup again.`;
  return new RollupError('BadPlan', message, { key, cause });
}

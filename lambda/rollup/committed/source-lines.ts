import { z } from 'zod';
import { hasCode } from '../../errors.ts';
import { decode } from '../codec/decode.ts';
import {
  type CommittedSource,
  type Manifest,
  MOST_HEADER,
  type StoredSource,
  badManifest,
  parseJson,
  unknownFields,
  writtenLater,
} from '../model/manifest.ts';

const NEWLINE = 0x0a;

/**
 * Bytes of a line of the index, at most. Two keys of 1,024 bytes take 12 KiB, since JSON escapes a byte with up to six
 * characters (`\u0001`); an ETag, a time, three numbers and the names of the fields take less than 4 KiB.
 */
export const MOST_LINE = 16 * 1024;

const count = z.number().int().nonnegative();

const sourceSchema = z.strictObject({
  key: z.string(),
  etag: z.string(),
  size: count,
  lastModified: z.string(),
  output: z.string(),
  /** The range of the source in its output: see `CommittedSource`. */
  offset: count,
  length: count,
  /** The format that the source was decoded from: then `length` is not `size`. */
  encoding: z.enum(['gzip', 'zstd']).optional(),
  /** Bytes of a header that was left out. */
  header: count.min(1).max(MOST_HEADER).optional(),
});

/**
 * Yields the sources in an index, in its order and in batches. Throws `BadManifest`.
 *
 * @param gzip the bytes of the index
 */
export async function* readSources(
  gzip: AsyncIterable<Buffer>,
  index: Manifest['sources'],
): AsyncGenerator<StoredSource[]> {
  let ordinal = 0;
  for await (const lines of readLines(gzip, index)) {
    yield lines.map((line) => parseSource(line, ordinal++, index.key));
  }
}

/**
 * Yields the lines of an index, in batches, as many as the manifest says. At most one line and one inflated chunk are in
 * memory, whatever the index holds: a damaged one ends at the first byte that cannot be right. Throws `BadManifest`.
 */
export async function* readLines(
  gzip: AsyncIterable<Buffer>,
  { key, count: expected }: Manifest['sources'],
): AsyncGenerator<string[]> {
  let read = 0;
  const check = (lines: string[]): string[] => {
    for (const line of lines) {
      read++;
      if (line === '') throw badManifest(key, `line ${read} is empty`);
      if (line.length > MOST_LINE) throw tooLong(key, read);
      if (read > expected) {
        throw badManifest(key, `it has ${read} lines or more where the manifest says ${expected}`);
      }
    }
    return lines;
  };
  // The beginning of a line whose end is not inflated yet. It is copied: a chunk is valid until the next one is asked for.
  let rest: Buffer = Buffer.alloc(0);
  try {
    for await (const chunk of decode('gzip', gzip, key)) {
      const end = chunk.lastIndexOf(NEWLINE);
      if (end === -1) {
        rest = Buffer.concat([rest, chunk]);
      } else {
        const whole = chunk.subarray(0, end);
        const text = (rest.length === 0 ? whole : Buffer.concat([rest, whole])).toString('utf8');
        rest = Buffer.from(chunk.subarray(end + 1));
        yield check(text.split('\n'));
      }
      if (rest.length > MOST_LINE) throw tooLong(key, read + 1);
    }
  } catch (error) {
    throw hasCode(error, 'SourceCorrupt') ? badManifest(key, 'it is not gzip', error) : error;
  }
  if (rest.length > 0) yield check([rest.toString('utf8')]);
  if (read < expected) throw badManifest(key, `it has ${read} lines where the manifest says ${expected}`);
}

function tooLong(key: string, line: number): Error {
  return badManifest(key, `line ${line} is longer than ${MOST_LINE} bytes`);
}

/**
 * Parses a line of an index. Throws `BadManifest`, which names the line.
 *
 * @param ordinal number of the line, from 0
 * @param key of the index
 */
export function parseSource(line: string, ordinal: number, key: string): StoredSource {
  const json = parseJson(line, key);
  if (isSource(json)) return Object.assign(json, { ordinal });
  const parsed = sourceSchema.safeParse(json);
  if (parsed.success) return { ...parsed.data, ordinal };
  const unknown = unknownFields(parsed.error);
  if (unknown !== undefined) throw writtenLater(key, unknown);
  throw badManifest(key, `line ${ordinal + 1}: ${z.prettifyError(parsed.error).replaceAll('\n', ' ')}`);
}

/** Fields that every line has: all but two. */
const FIELDS = Object.keys(sourceSchema.shape).length - 2;

/** A check that accepts all lines that this program writes, and none that `sourceSchema` refuses, in a tenth of its time. */
function isSource(json: unknown): json is CommittedSource {
  if (typeof json !== 'object' || json === null) return false;
  const { key, etag, size, lastModified, output, offset, length, encoding, header } = json as Record<
    string,
    unknown
  >;
  return (
    typeof key === 'string' &&
    typeof etag === 'string' &&
    isCount(size) &&
    typeof lastModified === 'string' &&
    typeof output === 'string' &&
    isCount(offset) &&
    isCount(length) &&
    (encoding === undefined || encoding === 'gzip' || encoding === 'zstd') &&
    (header === undefined ||
      (isCount(header) && (header as number) > 0 && (header as number) <= MOST_HEADER)) &&
    Object.keys(json).length === FIELDS + (encoding === undefined ? 0 : 1) + (header === undefined ? 0 : 1)
  );
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

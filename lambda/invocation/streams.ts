import {
  type Hour,
  type Location,
  asFolder,
  fillHour,
  formatLocation,
  hourOfFilled,
  isFolder,
  parseHour,
  parseLocation,
  parseSource,
} from '../rollup/index.ts';
import { inflateRawSync } from 'node:zlib';
import { z } from 'zod';
import { RollupError } from '../errors.ts';
import { HOUR_TEMPLATE } from '../names.ts';

/**
 * A configured stream. Source and destination are templates of prefixes: `s3://logs/raw/checkout/{yyyy}{MM}{dd}/{HH}/`. The
 * source may end anywhere, the destination ends with a slash.
 */
export interface Stream {
  name: string;
  source: string;
  destination: string;
}

/** One hour of one stream. */
export interface StreamHour {
  stream: Stream;
  hour: Hour;
}

/** The prefixes that every source and every destination must be under. */
export interface Roots {
  rawRoot: Location;
  aggregatedRoot: Location;
}

/** Bytes at which inflating stops. A list of streams that 4 KB can hold compressed is shorter. */
const MOST_BYTES = 1024 ** 2;

const listSchema = z.array(z.union([z.string().min(1), z.tuple([z.string().min(1), z.string()])])).min(1);

/** A stream by its template below either root: `checkout/{yyyy}{MM}{dd}/{HH}/`, or `cf/E2.{yyyy}-{MM}-{dd}-{HH}`. */
export function streamUnder({ rawRoot, aggregatedRoot }: Roots, name: string, path: string): Stream {
  return {
    name,
    source: formatLocation(rawRoot) + path,
    destination: formatLocation(aggregatedRoot) + path + (isFolder(path) ? '' : '/'),
  };
}

/**
 * Reads the function's variable `ENV.streams`, whose form lambda/names.ts describes.
 *
 * @throws RollupError `InvalidArgument`
 */
export function parseStreams(text: string, roots: Roots): Stream[] {
  const streams = readList(text).map((entry) =>
    typeof entry === 'string'
      ? streamUnder(roots, entry, `${entry}/${HOUR_TEMPLATE}`)
      : streamUnder(roots, ...entry),
  );
  for (const { name, source } of streams) refuseUnsound(name, source);
  return streams;
}

function readList(text: string): z.infer<typeof listSchema> {
  try {
    const json = text.startsWith('[')
      ? text
      : inflateRawSync(Buffer.from(text, 'base64url'), { maxOutputLength: MOST_BYTES }).toString();
    return listSchema.parse(JSON.parse(json));
  } catch (cause) {
    const message = `"${text.slice(0, 200)}" is no list of streams as the stack writes it.`;
    throw new RollupError('InvalidArgument', message, { cause });
  }
}

/** Throws `InvalidArgument` for a template that does not give each hour a prefix from which the hour can be read again. */
function refuseUnsound(name: string, source: string): void {
  const hour = parseHour('2026-11-21T08');
  const filled = formatLocation(parseSource(fillHour(source, hour)));
  if (hourOfFilled(source, filled) === hour) return;
  const message = `"${source}" of stream ${name} must contain {yyyy}, {MM}, {dd} and {HH}.`;
  throw new RollupError('InvalidArgument', message);
}

/** The hours whose source this prefix is: mostly one, or none; several where templates of streams overlap. */
export function hoursAt(streams: readonly Stream[], source: Location): StreamHour[] {
  const filled = formatLocation(source);
  return streams.flatMap((stream) => {
    const hour = hourOfFilled(stream.source, filled);
    return hour === undefined ? [] : [{ stream, hour }];
  });
}

/** The prefix below the aggregated root that a source below the raw root is rolled up to, where none is given. */
export function replaceRoot({ rawRoot, aggregatedRoot }: Roots, { prefix }: Location): Location {
  const { bucket } = aggregatedRoot;
  return asFolder({ bucket, prefix: aggregatedRoot.prefix + prefix.slice(rawRoot.prefix.length) });
}

/** The prefix that an hour is rolled up to. */
export function destinationOf({ stream, hour }: StreamHour): Location {
  return parseLocation(fillHour(stream.destination, hour));
}

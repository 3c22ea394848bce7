import { type Hour, type Location, asFolder, formatLocation, hourOfFilled } from '../rollup/index.ts';
import { RollupError } from '../errors.ts';
import type { RequestMessage } from './message.ts';
import { type Stream, type StreamHour, destinationOf, hoursAt } from './streams.ts';

/** The number of streams that an error names; of the others it gives the count. */
const SHOWN = 8;

/** A request with its placeholders filled in, before its stream is known. */
export interface FilledRequest {
  source: Location;
  /** Undefined where the request gives none: then it is the stream's. */
  destination: Location | undefined;
  /** Undefined where the request gives none. */
  hour: Hour | undefined;
  message: RequestMessage;
}

/** The stream and the hour of a request. */
export interface StreamMatch {
  /** The source: that of the request, or the folder of it where that is an hour of a stream. */
  source: Location;
  /** Undefined where the request is for no hour of a stream and `allowAnyPrefix` lets it pass. */
  stream: Stream | undefined;
  /** Undefined where neither the request nor its prefix names one. */
  hour: Hour | undefined;
}

/**
 * Finds the stream and the hour that a request is for. A source that is no hour of a stream as it is written may be one as a
 * folder: `s3://logs/raw/checkout/20261121/08` without its slash.
 *
 * @throws RollupError `OutsideStream`; `InvalidRequest` where the prefix is that of different hours of several streams and
 * the request does not name one
 */
export function matchStream(
  given: FilledRequest,
  streams: readonly Stream[],
  allowAnyPrefix: boolean,
): StreamMatch {
  const folder = asFolder(given.source);
  const written = hoursAt(streams, given.source);
  const all = written.length > 0 ? written : hoursAt(streams, folder);
  const request = written.length > 0 || all.length === 0 ? given : { ...given, source: folder };
  const { source, destination, hour, message } = request;
  const named = all.filter(
    (at) =>
      (hour === undefined || at.hour === hour) &&
      (message.stream === undefined || at.stream.name === message.stream),
  );
  if (all[0] !== undefined && named.length === 0) throw contradiction(request, all[0]);
  const fitting = named.filter((at) => destination === undefined || isSame(destinationOf(at), destination));
  const [first] = fitting.length > 0 ? fitting : named;
  if (fitting.some((other) => other.hour !== first?.hour)) throw ambiguous(source, fitting);
  if (fitting.length > 0) return { source, stream: first?.stream, hour: first?.hour };
  if (!allowAnyPrefix) throw first === undefined ? noHour(source, streams) : contradiction(request, first);
  refuseForeign(request, streams);
  return { source, stream: undefined, hour: hour ?? first?.hour };
}

/**
 * Refuses a request that is for no hour of a stream but names a stream, or writes to the destination of an hour of one.
 * `allowAnyPrefix` does not allow that.
 */
function refuseForeign({ source, destination, message }: FilledRequest, streams: readonly Stream[]): void {
  const named = streams.find(({ name }) => name === message.stream);
  if (named !== undefined) {
    throw outside(
      `"stream": "${named.name}" is of ${named.source}, and ${formatLocation(source)} with this destination is no hour of it. Leave "stream" out.`,
    );
  }
  if (destination === undefined) return;
  const filled = formatLocation(destination);
  const owner = streams.find((stream) => hourOfFilled(stream.destination, filled) !== undefined);
  if (owner === undefined) return;
  throw outside(
    `Destination ${filled} is kept for an hour of stream ${owner.name}, and ${formatLocation(source)} is not that. Give another destination.`,
  );
}

function isSame(one: Location, other: Location): boolean {
  return one.bucket === other.bucket && one.prefix === other.prefix;
}

function outside(message: string): RollupError {
  return new RollupError('OutsideStream', message);
}

/** The error of a request that names a stream that does not exist. */
export function noSuchStream(name: string, streams: readonly Stream[]): RollupError {
  return outside(`There is no stream "${name}". ${tell(streams)}`);
}

function noHour(source: Location, streams: readonly Stream[]): RollupError {
  return outside(
    `Source ${formatLocation(source)} is no hour of a stream of this deployment. ${tell(streams)} Give the prefix of one hour of one of them, or "stream" and "hour". For other prefixes, deploy with allowAnyPrefix.`,
  );
}

/** The error of a request whose source is that of an hour of a stream, while its stream, hour or destination is another. */
function contradiction({ source, destination, hour, message }: FilledRequest, at: StreamHour): RollupError {
  const { stream } = at;
  const is = `Source ${formatLocation(source)} is hour ${at.hour} of stream ${stream.name}`;
  if (message.stream !== undefined && message.stream !== stream.name)
    return outside(`${is}, and not of "${message.stream}": give the stream's own name, or leave it out.`);
  if (hour !== undefined && hour !== at.hour)
    return outside(`${is}, and not hour ${hour}: give the prefix of that hour, or the stream's template.`);
  const given = destination === undefined ? '' : formatLocation(destination);
  return outside(
    `${is}, which is rolled up to ${formatLocation(destinationOf(at))} and not to ${given}: leave the destination out. For other destinations, deploy with allowAnyPrefix.`,
  );
}

function ambiguous(source: Location, all: readonly StreamHour[]): RollupError {
  const which = all.map(({ stream, hour }) => `${hour} of ${stream.name}`).join(', ');
  return new RollupError(
    'InvalidRequest',
    `${formatLocation(source)} is hour ${which}: say which, by "stream" or "hour".`,
  );
}

function tell(streams: readonly Stream[]): string {
  if (streams.length === 0) return 'This deployment has no streams.';
  const shown = streams.slice(0, SHOWN).map(({ name, source }) => `${name} (${source})`);
  const more = streams.length > SHOWN ? ` and ${streams.length - SHOWN} more` : '';
  return `Streams are ${shown.join(', ')}${more}.`;
}

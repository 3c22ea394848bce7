import { Command } from '@commander-js/extra-typings';
import { RollupError, hasCode } from '../lambda/errors.ts';
import { fillHour, parseHour } from '../lambda/rollup/hour.ts';
import { type Location, parseLocation, refuseOverlap } from '../lambda/rollup/location.ts';
import type { RollupRequest } from '../lambda/rollup/rollup.ts';
import { type Connection, connect } from '../lambda/s3/connection.ts';
import { DEFAULT_SETTINGS, type RawSettings, type Settings, parseSettings } from '../lambda/settings.ts';
import { formatSize } from '../lambda/size.ts';

const { targetSize, partSize, concurrency, outputsInFlight, newline } = DEFAULT_SETTINGS;

/** A command that talks to S3. */
export function connectedCommand(name: string, description: string) {
  return (
    new Command(name)
      .description(description)
      .optionsGroup('Options:')
      .option('--hour <hour>', 'fills {yyyy} {MM} {dd} {HH} in a location: 2026-11-21T08, in UTC')
      .optionsGroup('Connection and output:')
      .option('--endpoint-url <url>', "endpoint; otherwise AWS_ENDPOINT_URL, or S3's own")
      .option('--region <region>', "region; otherwise AWS_REGION, or the profile's")
      .option('--json', 'the result as one JSON object on stdout, an error as one on stderr')
      .option('--no-progress', 'no progress on stderr')
      // What a command adds goes with the hour.
      .optionsGroup('Options:')
  );
}

/** A command over a source and a destination. */
export function rollupCommand(name: string, description: string) {
  return connectedCommand(name, description)
    .argument('<source>', 'prefix to roll up: s3://bucket/prefix/')
    .argument('<destination>', 'where to: s3://bucket/prefix/, apart from the source')
    .option(
      '--target-size <size>',
      `an output closes once it holds this much (default: ${formatSize(targetSize)})`,
    )
    .option('--part-size <size>', `size of an S3 multipart part (default: ${formatSize(partSize)})`)
    .option('--concurrency <number>', `downloads in flight (default: ${concurrency})`)
    .option('--outputs-in-flight <number>', `outputs in memory at once (default: ${outputsInFlight})`)
    .option(
      '--newline <rule>',
      `ensure, or none: end a plain-text source that lacks it (default: ${newline})`,
    )
    .option('--repack', 'plan every source afresh, into new outputs');
}

type ConnectedOptions = ReturnType<ReturnType<typeof connectedCommand>['opts']>;
type RollupOptions = ReturnType<ReturnType<typeof rollupCommand>['opts']>;

/** What was typed for `run` and `plan`. Throws one `InvalidArgument` that names all that is wrong. */
export function parseRollup(
  source: string,
  destination: string,
  options: RollupOptions,
): { request: RollupRequest; connection: Connection; settings: Settings } {
  const parsed = parseAll({
    locations: () => parseLocations({ source, destination }, options.hour),
    settings: () => parseFlags(pick(options)),
    endpointUrl: () => parseEndpoint(options.endpointUrl),
  });
  const { locations, settings, endpointUrl } = parsed;
  refuseOverlap(locations.source, locations.destination);
  const request = { ...locations, repack: options.repack === true };
  return { request, settings, connection: connect({ settings, endpointUrl, region: options.region }) };
}

function pick({ targetSize, partSize, concurrency, outputsInFlight, newline }: RollupOptions): RawSettings {
  return { targetSize, partSize, concurrency, outputsInFlight, newline };
}

/** What was typed for a command over a destination alone. Throws as `parseRollup` does. */
export function parseDestination(
  destination: string,
  options: ConnectedOptions,
  raw: RawSettings,
): { destination: Location; connection: Connection; settings: Settings } {
  const parsed = parseAll({
    locations: () => parseLocations({ destination }, options.hour),
    settings: () => parseFlags(raw),
    endpointUrl: () => parseEndpoint(options.endpointUrl),
  });
  const { locations, settings, endpointUrl } = parsed;
  const connection = connect({ settings, endpointUrl, region: options.region });
  return { destination: locations.destination, settings, connection };
}

function parseFlags(raw: RawSettings): Settings {
  // targetSize -> --target-size
  return parseSettings(raw, (name) => `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`);
}

function parseLocations<Name extends string>(
  typed: Record<Name, string>,
  hourText: string | undefined,
): Record<Name, Location> {
  const hour = hourText === undefined ? undefined : named('--hour', () => parseHour(hourText));
  const parsers = Object.entries<string>(typed).map(([name, uri]) => [
    name,
    () => named(name, () => parseLocation(hour === undefined ? uri : fillHour(uri, hour))),
  ]);
  return parseAll(Object.fromEntries(parsers) as Record<Name, () => Location>);
}

function parseEndpoint(url: string | undefined): string | undefined {
  if (url === undefined || (URL.canParse(url) && /^https?:/.test(url))) return url;
  const message = `--endpoint-url must be a URL such as http://127.0.0.1:9000, not "${url}".`;
  throw new RollupError('InvalidArgument', message);
}

/** Says which of the arguments an `InvalidArgument` is about. */
function named<T>(name: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!hasCode(error, 'InvalidArgument') || !(error instanceof Error)) throw error;
    throw new RollupError('InvalidArgument', `${name} ${error.message}`, { cause: error });
  }
}

/** Runs every parser. Throws one `InvalidArgument` with the messages of all that were refused. */
function parseAll<Parsers extends Record<string, () => unknown>>(
  parsers: Parsers,
): { [Name in keyof Parsers]: ReturnType<Parsers[Name]> } {
  const problems: string[] = [];
  const parsed = Object.entries(parsers).map(([name, parse]) => {
    try {
      return [name, parse()];
    } catch (error) {
      if (!hasCode(error, 'InvalidArgument') || !(error instanceof Error)) throw error;
      problems.push(error.message);
      return [name, undefined];
    }
  });
  if (problems.length > 0) throw new RollupError('InvalidArgument', problems.join(' '));
  return Object.fromEntries(parsed) as { [Name in keyof Parsers]: ReturnType<Parsers[Name]> };
}

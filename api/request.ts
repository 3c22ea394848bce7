import { type Location, fillHour, parseHour, parseLocation, parseSource } from '../lambda/rollup/index.ts';
import { fillSelection } from '../lambda/rollup/index.ts';
import { type Connection, connect } from '../lambda/s3/connection.ts';
import type { RollupSettings } from '../lambda/settings/input.ts';
import { parseSettings } from '../lambda/settings/settings.ts';
import type { Settings } from '../lambda/settings/table.ts';

/** Options that all functions of the engine share. */
export interface EngineOptions {
  /**
   * The hour that fills `{yyyy}`, `{MM}`, `{dd}` and `{HH}` in locations and filters: `2026-11-21T08`, in UTC.
   *
   * @defaultValue none: locations are taken as they are
   */
  readonly hour?: string | undefined;
  /**
   * Settings of the run.
   *
   * @defaultValue for each, its own
   */
  readonly settings?: RollupSettings | undefined;
  /**
   * Region of source and destination, where the settings give none.
   *
   * @defaultValue `AWS_REGION`, or that of the profile
   */
  readonly region?: string | undefined;
  /**
   * URL of an S3 endpoint, where the settings give none.
   *
   * @defaultValue `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`, or S3's own
   */
  readonly endpointUrl?: string | undefined;
  /** Ends the work: everything in flight is aborted and waited for, and `Aborted` is thrown. */
  readonly signal?: AbortSignal | undefined;
}

/** The options, parsed. */
interface Parsed {
  settings: Settings;
  /** Parses a source, taken as it is written. */
  source: (uri: string) => Location;
  /** Parses a destination, which is a folder. */
  destination: (uri: string) => Location;
  signal: AbortSignal;
}

/** Connects, does the work, and closes the connection. Throws `InvalidArgument` for options that are wrong. */
export async function connected<T>(
  options: EngineOptions,
  work: (connection: Connection, parsed: Parsed) => Promise<T>,
): Promise<T> {
  const parsed = parse(options);
  const connection = open(options, parsed);
  try {
    return await work(connection, parsed);
  } finally {
    connection.close();
  }
}

/** Parses options. Throws `InvalidArgument`. */
export function parse({ hour: text, settings: given, signal }: EngineOptions): Parsed {
  const hour = text === undefined ? undefined : parseHour(text);
  const fill = (uri: string): string => (hour === undefined ? uri : fillHour(uri, hour));
  const settings = parseSettings(given ?? {}, (name) => name);
  return {
    settings: fillSelection(settings, hour, 'give hour'),
    source: (uri) => parseSource(fill(uri)),
    destination: (uri) => parseLocation(fill(uri)),
    signal: signal ?? new AbortController().signal,
  };
}

/** Connects: nothing is sent yet. */
export function open(
  { region, endpointUrl }: EngineOptions,
  { settings }: Pick<Parsed, 'settings'>,
): Connection {
  return connect({ settings, region, endpointUrl });
}

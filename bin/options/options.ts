import {
  type Location,
  type RollupRequest,
  fillSelection,
  formatLocation,
  hasPlaceholders,
  isNameOfToday,
  refuseOverlap,
  refuseUnlistable,
} from '../../lambda/rollup/index.ts';
import { Command } from '@commander-js/extra-typings';
import { RollupError, hasCode } from '../../lambda/errors.ts';
import { findPlaceholder } from '../../lambda/settings/placeholders.ts';
import type { Connection } from '../../lambda/s3/connection.ts';
import { sides } from '../../lambda/settings/endpoints.ts';
import type { RawSettings } from '../../lambda/settings/settings.ts';
import type { Settings } from '../../lambda/settings/table.ts';
import { parseAll } from '../refusals.ts';
import { parseFolder, parseLocations, parseTypedHour } from './locations.ts';
import { addSettingOptions, typedSettings } from './setting-options.ts';
import { SETTINGS_FILE, type SettingsFile, readSettingsFile, settingsOver } from './settings-file.ts';

/** A command that talks to S3, with the options that all of these share. */
export function connectedCommand(name: string, description: string) {
  return (
    new Command(name)
      .description(description)
      .optionsGroup('Options:')
      .option('--hour <hour>', 'fills {yyyy} {MM} {dd} {HH} in locations and filters: 2026-11-21T08, in UTC')
      .option(
        '--config <file>',
        `settings and locations as JSON (default: ${SETTINGS_FILE}, if there is one)`,
      )
      .optionsGroup('Connection and output:')
      .option('--endpoint-url <url>', "endpoint; otherwise AWS_ENDPOINT_URL, or S3's own")
      .option('--region <region>', "region; otherwise AWS_REGION, or the profile's")
      .option('--json', 'the result as one JSON object on stdout, an error as one on stderr')
      .option('--no-progress', 'no progress on stderr')
      // Options that a command adds belong to the group of --hour.
      .optionsGroup('Options:')
  );
}

/** A command for the rollup under a destination. */
export function destinationCommand(name: string, description: string) {
  const command = connectedCommand(name, description);
  addSettingOptions(command, Object.keys(sides));
  return command.optionsGroup('Options:');
}

/** A command for a source and a destination, with a flag for every setting. */
export function rollupCommand(name: string, description: string) {
  const command = connectedCommand(name, description)
    .argument('[source]', 'prefix to roll up, as it is written: s3://bucket/prefix/')
    .argument('[destination]', 'where to: s3://bucket/prefix/, apart from the source')
    .option('--repack', 'plan every source afresh, into new outputs');
  addSettingOptions(command);
  return command.optionsGroup('Options:');
}

type ConnectedOptions = ReturnType<ReturnType<typeof connectedCommand>['opts']>;
type RollupOptions = ReturnType<ReturnType<typeof rollupCommand>['opts']>;

/**
 * Parses the arguments and options of `run` and `plan`, and connects.
 *
 * @throws RollupError `InvalidArgument`, one for all problems
 */
export async function parseRollup(
  source: string | undefined,
  destination: string | undefined,
  options: RollupOptions,
): Promise<{
  request: RollupRequest;
  connection: Connection;
  settings: Settings;
  endpointUrl: string | undefined;
}> {
  const file = readSettingsFile(options.config);
  const typed = typedSettings(options);
  const { filters = file.settings.filters, groupBy = file.settings.groupBy } = typed;
  const fills = findPlaceholder(JSON.stringify([filters, groupBy])) !== undefined;
  const { locations, settings, endpointUrl } = parseAll({
    locations: () => {
      const both = parseLocations({ source, destination }, options.hour, file, fills);
      refuseOverlap(both.source, both.destination);
      return both;
    },
    settings: () => fillSelection(settingsOver(file, typed), hourOrNone(options.hour), 'give --hour'),
    endpointUrl: () => parseEndpoint(options.endpointUrl),
    region: () => parseRegion(options.region),
  });
  refuseUnlistable(locations.destination, settings);
  // What is typed is said by this request, and stays with the hour; what a settings file says is not.
  const deleteSource = typed.deleteSource === undefined ? undefined : settings.deleteSource;
  const asWritten = hasPlaceholders(source ?? file.source ?? '');
  const request = { ...locations, asWritten, repack: options.repack === true, deleteSource };
  const connection = await open(settings, endpointUrl, options.region, Object.values(locations));
  return { request, settings, endpointUrl, connection };
}

/** The hour that was typed. Undefined also for a text that is none, which is refused with the locations. */
function hourOrNone(text: string | undefined): ReturnType<typeof parseTypedHour> {
  try {
    return parseTypedHour(text);
  } catch {
    return undefined;
  }
}

interface DestinationOptions {
  file?: SettingsFile;
  /** Settings that were typed as flags. */
  typed?: RawSettings;
  /** Defaults of this command that differ from the usual ones. */
  byDefault?: RawSettings;
  /** The URI of another folder that was typed, as `--to`. */
  to?: string | undefined;
}

/**
 * Parses the arguments and options of a command for a destination alone, and connects. Throws as `parseRollup` does.
 */
export async function parseDestination(
  destination: string | undefined,
  options: ConnectedOptions,
  { file = readSettingsFile(options.config), typed = {}, byDefault = {}, to }: DestinationOptions = {},
): Promise<{ destination: Location; to: Location | undefined; connection: Connection; settings: Settings }> {
  const isFilled = to !== undefined && hasPlaceholders(to);
  const { locations, settings, endpointUrl, ...other } = parseAll({
    locations: () => parseLocations({ destination }, options.hour, file, isFilled),
    to: () => (to === undefined ? undefined : parseFolder('--to', to, hourOrNone(options.hour))),
    settings: () => settingsOver({ ...file, settings: { ...byDefault, ...file.settings } }, typed),
    endpointUrl: () => parseEndpoint(options.endpointUrl),
    region: () => parseRegion(options.region),
  });
  const { destination: at } = locations;
  const all = other.to === undefined ? [at] : [at, other.to];
  const connection = await open(settings, endpointUrl, options.region, all);
  return { destination: locations.destination, to: other.to, settings, connection };
}

/**
 * Connects. Only here the SDK is loaded, which takes long: help and wrong usage do without it.
 *
 * @throws RollupError `NoRegion`; before it `InvalidArgument` for the name of a bucket that S3 does not give any more
 */
export async function open(
  settings: Settings,
  endpointUrl: string | undefined,
  region: string | undefined,
  locations: Location[],
): Promise<Connection> {
  const { connect } = await import('../../lambda/s3/connection.ts');
  const connection = connect({ settings, endpointUrl, region });
  try {
    await connection.requireRegions();
    return connection;
  } catch (error) {
    connection.close();
    const old = locations.find(({ bucket }) => !isNameOfToday(bucket));
    if (old === undefined || !hasCode(error, 'NoRegion')) throw error;
    const message = `"${old.bucket}" of ${formatLocation(old)} is no name that S3 gives a bucket: it has 3 to 63 lower-case letters, digits, dots and hyphens. If it is an old bucket, say --region us-east-1, where those are.`;
    throw new RollupError('InvalidArgument', message, { cause: error });
  }
}

/** The endpoint that was typed or set in the environment. Throws `InvalidArgument` if it is no URL. */
export function parseEndpoint(flag: string | undefined): string | undefined {
  const typed = Object.entries({
    '--endpoint-url': flag,
    AWS_ENDPOINT_URL_S3: process.env['AWS_ENDPOINT_URL_S3'],
    AWS_ENDPOINT_URL: process.env['AWS_ENDPOINT_URL'],
  });
  const [name, url] = typed.find(([, value]) => value !== undefined) ?? [];
  if (url === undefined || (URL.canParse(url) && /^https?:/.test(url))) return url;
  const message = `${name ?? ''} must be a URL such as http://127.0.0.1:9000, not "${url}".`;
  throw new RollupError('InvalidArgument', message);
}

/** As the SDK has it, which refuses others with the first request. */
const REGION = /^(?!-)[A-Za-z0-9-]{1,63}(?<!-)$/;

/** Throws `InvalidArgument` if the region that was typed or set in the environment cannot be one. */
export function parseRegion(flag: string | undefined): string | undefined {
  const [name, region = ''] =
    flag === undefined ? ['AWS_REGION', process.env['AWS_REGION']] : ['--region', flag];
  if (REGION.test(region) || (region === '' && flag === undefined)) return flag;
  throw new RollupError('InvalidArgument', `${name} must be a region such as eu-west-1, not "${region}".`);
}

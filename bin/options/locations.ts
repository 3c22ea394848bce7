import {
  type Hour,
  type Location,
  fillHour,
  hasPlaceholders,
  parseHour,
  parseLocation,
  parseSource,
  refuseForeign,
} from '../../lambda/rollup/index.ts';
import { RollupError } from '../../lambda/errors.ts';
import { named, parseAll } from '../refusals.ts';
import { SETTINGS_FILE, type SettingsFile } from './settings-file.ts';

/**
 * Parses the locations of a command: typed as `s3://bucket/prefix/`, or else taken from the settings file. Fills in the
 * hour. A source is taken as it is written, a destination is a folder. Throws one `InvalidArgument` for all of them.
 *
 * @param fills true if the hour fills something else, so that no location need have placeholders
 */
export function parseLocations<Name extends 'source' | 'destination'>(
  typed: Record<Name, string | undefined>,
  hourText: string | undefined,
  file: SettingsFile,
  fills = false,
): Record<Name, Location> {
  const hour = parseTypedHour(hourText);
  const given = Object.entries<string | undefined>(typed).map(([name, uri]) => {
    return uri === undefined
      ? { name, called: `${file.name ?? ''}: ${name}`, uri: file[name as Name] }
      : { name, called: name, uri };
  });
  const uris = given.flatMap(({ uri }) => (uri === undefined ? [] : [uri]));
  if (hour !== undefined && !fills && uris.length === given.length) refuseIdleHour(hour, uris);
  const parsers = given.map(({ name, called, uri }) => [
    name,
    () => {
      if (uri === undefined) throw missing(name);
      return named(called, () => parseTyped(uri, hour, name === 'source' ? parseSource : parseLocation));
    },
  ]);
  return parseAll(Object.fromEntries(parsers) as Record<Name, () => Location>);
}

/** Parses a folder that was typed behind a flag, and fills in the hour. Throws `InvalidArgument`. */
export function parseFolder(flag: string, uri: string, hour: Hour | undefined): Location {
  return named(flag, () => parseTyped(uri, hour, parseLocation));
}

/** Parses the value of `--hour`. Throws `InvalidArgument`. */
export function parseTypedHour(text: string | undefined): Hour | undefined {
  return text === undefined ? undefined : named('--hour', () => parseHour(text));
}

function missing(name: string): RollupError {
  return new RollupError(
    'InvalidArgument',
    `${name} is missing: type it, as s3://bucket/prefix/, or set "${name}" in ${SETTINGS_FILE}.`,
  );
}

/** Throws `InvalidArgument` if no location has placeholders for the hour that was typed. */
export function refuseIdleHour(hour: Hour, uris: string[]): void {
  if (uris.some(hasPlaceholders)) return;
  const message = `--hour ${hour} fills nothing: no location has {yyyy}, {MM}, {dd} or {HH} in it. Leave it out, or put the placeholders in.`;
  throw new RollupError('InvalidArgument', message);
}

/**
 * Throws `InvalidArgument` for `s3://logs/raw/*`, since S3 would look for keys with an asterisk in them, and for a placeholder
 * that other programs fill.
 */
export function refuseGlob(uri: string): void {
  refuseForeign(uri);
  const [glob] = /[*?]/.exec(uri) ?? [];
  if (glob === undefined) return;
  const prefix = uri.slice(0, uri.lastIndexOf('/', uri.indexOf(glob)) + 1);
  const hint = /^s3:\/\/[^/]+\//.test(prefix) ? `: give ${prefix}` : '';
  const message = `"${uri}" has a "${glob}": it must be a prefix, not a glob. A prefix takes all that is under it${hint}.`;
  throw new RollupError('InvalidArgument', message);
}

function parseTyped(uri: string, hour: Hour | undefined, parse: (uri: string) => Location): Location {
  refuseGlob(uri);
  if (hour === undefined && hasPlaceholders(uri)) {
    const message = `"${uri}" has placeholders for an hour, and there is none to fill them: give --hour, such as --hour 2026-11-21T08.`;
    throw new RollupError('InvalidArgument', message);
  }
  return parse(hour === undefined ? uri : fillHour(uri, hour));
}

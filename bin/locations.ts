import { RollupError } from '../lambda/errors.ts';
import { type Hour, fillHour, hasPlaceholders, parseHour } from '../lambda/rollup/hour.ts';
import { type Location, parseLocation } from '../lambda/rollup/location.ts';
import { named, parseAll } from './refusals.ts';

/** What was typed as `s3://bucket/prefix/`, by the names of its arguments. Throws `InvalidArgument`. */
export function parseLocations<Name extends string>(
  typed: Record<Name, string>,
  hourText: string | undefined,
): Record<Name, Location> {
  const hour = hourText === undefined ? undefined : named('--hour', () => parseHour(hourText));
  const entries = Object.entries<string>(typed);
  if (hour !== undefined) {
    refuseIdleHour(
      hour,
      entries.map(([, uri]) => uri),
    );
  }
  const parsers = entries.map(([name, uri]) => [name, () => named(name, () => parseTyped(uri, hour))]);
  return parseAll(Object.fromEntries(parsers) as Record<Name, () => Location>);
}

/** Throws `InvalidArgument` where an hour was typed that no location has room for. */
export function refuseIdleHour(hour: Hour, uris: string[]): void {
  if (uris.some(hasPlaceholders)) return;
  const message = `--hour ${hour} fills nothing: no location has {yyyy}, {MM}, {dd} or {HH} in it. Leave it out, or put the placeholders in.`;
  throw new RollupError('InvalidArgument', message);
}

/** Throws `InvalidArgument` for `s3://logs/raw/*`: S3 would look for keys with an asterisk in them. */
export function refuseGlob(uri: string): void {
  const [glob] = /[*?]/.exec(uri) ?? [];
  if (glob === undefined) return;
  const prefix = uri.slice(0, uri.lastIndexOf('/', uri.indexOf(glob)) + 1);
  const hint = /^s3:\/\/[^/]+\//.test(prefix) ? `: give ${prefix}` : '';
  const message = `"${uri}" has a "${glob}": it must be a prefix, not a glob. A prefix takes all that is under it${hint}.`;
  throw new RollupError('InvalidArgument', message);
}

function parseTyped(uri: string, hour: Hour | undefined): Location {
  refuseGlob(uri);
  return parseLocation(hour === undefined ? uri : fillHour(uri, hour));
}

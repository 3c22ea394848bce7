import { RollupError, hasCode } from '../errors.ts';
import { type Settings, checkValues } from '../settings.ts';
import { parseGlob } from './glob.ts';
import type { Manifest } from './manifest.ts';

export type Selection = Pick<Settings, 'filters' | 'groupBy'>;

/** Undefined for a source that is left out; otherwise the folder of its output, empty or with its slash. */
export type Selector = (key: string) => string | undefined;

/** For keys under a source prefix. The selector throws `InvalidArgument` for a key whose captures are no folder. */
export function createSelector(
  { filters = [], groupBy }: Partial<Selection>,
  sourcePrefix: string,
): Selector {
  const rules = filters.map((filter) => ({
    includes: 'include' in filter,
    matches: parseGlob('include' in filter ? filter.include : filter.exclude),
  }));
  const regex = groupBy === undefined ? undefined : new RegExp(groupBy, 'u');
  return (key) => {
    const name = key.slice(sourcePrefix.length);
    if (rules.findLast(({ matches }) => matches(name))?.includes === false) return undefined;
    return regex === undefined ? '' : folderOf(key, name, regex);
  };
}

/**
 * That of the run which committed a rollup: what it left out was not forgotten. Throws `BadManifest`. Its selector
 * returns undefined also for a key that would have ended that run.
 */
export function committedSelector({ settings }: Pick<Manifest, 'settings'>, sourcePrefix: string): Selector {
  const { filters, groupBy } = settings;
  const checked = checkValues({ filters, groupBy });
  const [problem] = checked.problems;
  if (problem !== undefined) {
    const message = `The manifest's ${problem.setting} ${problem.message}: it was not written by this program.`;
    throw new RollupError('BadManifest', message);
  }
  const select = createSelector(checked.settings, sourcePrefix);
  return (key) => {
    try {
      return select(key);
    } catch (error) {
      if (hasCode(error, 'InvalidArgument')) return undefined;
      throw error;
    }
  };
}

/** `^([^/]+)/([a-z]+)-`, `checkout/error-1.log` -> `checkout/error/`. */
function folderOf(key: string, name: string, regex: RegExp): string | undefined {
  // A group of an alternative that was not taken captured nothing.
  const captures =
    regex
      .exec(name)
      ?.slice(1)
      .filter((text: string | undefined) => text !== undefined) ?? [];
  if (captures.length === 0) return undefined;
  const segments = captures.join('/').split('/');
  // The underscore and the dot hide a folder from Athena, Hive and Spark, and are this program's own.
  const bad = segments.find((segment) => segment === '' || /^[._]/.test(segment));
  if (bad === undefined) return `${segments.join('/')}/`;
  const why =
    bad === '' ? 'has an empty segment' : `has the segment "${bad}", which begins with "${bad.charAt(0)}"`;
  throw new RollupError(
    'InvalidArgument',
    `${key}: what groupBy captures in it, "${captures.join('/')}", cannot be a folder: it ${why}. Change the regular expression, or exclude the source.`,
    { key },
  );
}

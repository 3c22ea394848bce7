import { z } from 'zod';
import { RollupError, hasCode } from '../../errors.ts';
import { hasUnprintable } from '../../printable.ts';
import {
  type Match,
  capturesOf,
  compileRegex,
  compileWidened,
  isRegex,
  problemOf,
} from '../../settings/linear-regex.ts';
import type { Settings } from '../../settings/table.ts';
import { baseOf } from '../model/location.ts';
import type { Manifest } from '../model/manifest.ts';
import { parseGlob } from './glob.ts';

/** The settings that select sources. */
export type Selection = Pick<Settings, 'filters' | 'groupBy'>;

/** Returns the folder of a source's output, empty or with its slash; undefined for a source that is left out. */
export type Selector = (key: string) => string | undefined;

/** The selection in a manifest. Earlier releases wrote expressions that settings refuse today: these are accepted here. */
const committedSchema = z.object({
  filters: z
    .array(z.union([z.strictObject({ include: z.string() }), z.strictObject({ exclude: z.string() })]))
    .default([]),
  groupBy: z
    .string()
    .refine((source) => isRegex(source) && capturesOf(source) > 0)
    .optional(),
});

/**
 * A selector for keys under a source prefix. It throws `InvalidArgument` for a key whose captures are no folder.
 *
 * @param sourcePrefix up to its last slash it is cut off a key before filters and `groupBy` look at it
 */
export function createSelector(
  { filters = [], groupBy }: Partial<Selection>,
  sourcePrefix: string,
): Selector {
  const isIn = createFilter(filters);
  const match = groupBy === undefined ? undefined : compileRegex(groupBy);
  const { length } = baseOf(sourcePrefix);
  return (key) => {
    const name = key.slice(length);
    if (!isIn(name)) return undefined;
    return match === undefined ? '' : folderOf(key, name, match);
  };
}

/**
 * The selector of the run that committed a rollup, from its manifest: sources that it leaves out are not missing from the
 * rollup. It returns undefined also for a key that would have ended that run. An expression of an earlier release that
 * cannot be matched in linear time is widened to one that can: a source that may have been left out is then reported as
 * late rather than not at all.
 *
 * @throws RollupError `BadManifest` if the manifest's filters or `groupBy` are none
 */
export function committedSelector({ settings }: Pick<Manifest, 'settings'>, sourcePrefix: string): Selector {
  const { filters, groupBy } = parseCommitted(settings);
  if (groupBy !== undefined && problemOf(groupBy) !== undefined) {
    const isIn = createFilter(filters);
    const mayMatch = compileWidened(groupBy);
    const { length } = baseOf(sourcePrefix);
    return (key) => {
      const name = key.slice(length);
      return isIn(name) && mayMatch(name) ? '' : undefined;
    };
  }
  const select = createSelector({ filters, groupBy }, sourcePrefix);
  return (key) => {
    try {
      return select(key);
    } catch (error) {
      if (hasCode(error, 'InvalidArgument')) return undefined;
      throw error;
    }
  };
}

function parseCommitted({ filters, groupBy }: Manifest['settings']): z.output<typeof committedSchema> {
  const parsed = committedSchema.safeParse({ filters, groupBy });
  if (parsed.success) return parsed.data;
  const name = String(parsed.error.issues[0]?.path[0]);
  const must = name === 'groupBy' ? 'is no regular expression with a capture group' : 'is no list of globs';
  throw new RollupError('BadManifest', `The manifest's ${name} ${must}: it was not written by this program.`);
}

/** Returns true for a name that the last rule which matches it includes, or that none matches. */
function createFilter(filters: Selection['filters']): (name: string) => boolean {
  const rules = filters.map((filter) => ({
    includes: 'include' in filter,
    matches: parseGlob('include' in filter ? filter.include : filter.exclude),
  }));
  return (name) => rules.findLast(({ matches }) => matches(name))?.includes !== false;
}

/**
 * The folder that `groupBy` captures in a name, undefined if it captures nothing: `^([^/]+)/([a-z]+)-`,
 * `checkout/error-1.log` -> `checkout/error/`. Throws `InvalidArgument`.
 */
function folderOf(key: string, name: string, match: Match): string | undefined {
  // Groups in an alternative that did not match are undefined.
  const captures = match(name)?.filter((text) => text !== undefined) ?? [];
  if (captures.length === 0) return undefined;
  const segments = captures.join('/').split('/');
  const why = whyNoFolder(segments);
  if (why === undefined) return `${segments.join('/')}/`;
  throw new RollupError(
    'InvalidArgument',
    `${key}: what groupBy captures in it, "${captures.join('/')}", cannot be a folder: it ${why}. Change the regular expression, or exclude the source.`,
    { key },
  );
}

/** The reason for which segments cannot be a folder, as the end of a sentence; undefined if they can. */
function whyNoFolder(segments: string[]): string | undefined {
  if (segments.includes('')) return 'has an empty segment';
  // Athena, Hive and Spark ignore folders that begin with an underscore or a dot, and this program's own begin so.
  const hidden = segments.find((segment) => /^[._]/.test(segment));
  if (hidden !== undefined) return `has the segment "${hidden}", which begins with "${hidden.charAt(0)}"`;
  // A line break would make two lines of one output in a list of outputs.
  return segments.some(hasUnprintable) ? 'has a control character' : undefined;
}

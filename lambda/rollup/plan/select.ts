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
import type { Manifest } from '../model/manifest.ts';
import { parseGlob } from './glob.ts';

export type Selection = Pick<Settings, 'filters' | 'groupBy'>;

/** Undefined for a source that is left out; otherwise the folder of its output, empty or with its slash. */
export type Selector = (key: string) => string | undefined;

/** What a manifest says, also where today's settings would be refused: expressions of earlier releases. */
const committedSchema = z.object({
  filters: z
    .array(z.union([z.strictObject({ include: z.string() }), z.strictObject({ exclude: z.string() })]))
    .default([]),
  groupBy: z
    .string()
    .refine((source) => isRegex(source) && capturesOf(source) > 0)
    .optional(),
});

/** For keys under a source prefix. The selector throws `InvalidArgument` for a key whose captures are no folder. */
export function createSelector(
  { filters = [], groupBy }: Partial<Selection>,
  sourcePrefix: string,
): Selector {
  const isIn = createFilter(filters);
  const match = groupBy === undefined ? undefined : compileRegex(groupBy);
  return (key) => {
    const name = key.slice(sourcePrefix.length);
    if (!isIn(name)) return undefined;
    return match === undefined ? '' : folderOf(key, name, match);
  };
}

/**
 * That of the run which committed a rollup: what it left out was not forgotten. Throws `BadManifest`. Its selector
 * returns undefined also for a key that would have ended that run. An expression of an earlier release that cannot be
 * matched in linear time leaves out only what it cannot have matched: what may have been left out is told as late
 * rather than not at all.
 */
export function committedSelector({ settings }: Pick<Manifest, 'settings'>, sourcePrefix: string): Selector {
  const { filters, groupBy } = parseCommitted(settings);
  if (groupBy !== undefined && problemOf(groupBy) !== undefined) {
    const isIn = createFilter(filters);
    const mayMatch = compileWidened(groupBy);
    return (key) => {
      const name = key.slice(sourcePrefix.length);
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

function createFilter(filters: Selection['filters']): (name: string) => boolean {
  const rules = filters.map((filter) => ({
    includes: 'include' in filter,
    matches: parseGlob('include' in filter ? filter.include : filter.exclude),
  }));
  return (name) => rules.findLast(({ matches }) => matches(name))?.includes !== false;
}

/** `^([^/]+)/([a-z]+)-`, `checkout/error-1.log` -> `checkout/error/`. */
function folderOf(key: string, name: string, match: Match): string | undefined {
  // A group of an alternative that was not taken captured nothing.
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

function whyNoFolder(segments: string[]): string | undefined {
  if (segments.includes('')) return 'has an empty segment';
  // The underscore and the dot hide a folder from Athena, Hive and Spark, and are this program's own.
  const hidden = segments.find((segment) => /^[._]/.test(segment));
  if (hidden !== undefined) return `has the segment "${hidden}", which begins with "${hidden.charAt(0)}"`;
  // A line break would be two lines of a list of outputs.
  return segments.some(hasUnprintable) ? 'has a control character' : undefined;
}

import { z } from 'zod';
import { RollupError, hasCode } from '../../errors.ts';
import { hasUnprintable } from '../../printable.ts';
import {
  type Match,
  capturesOf,
  compileAcrossLines,
  compileRegex,
  compileWidened,
  isRegex,
  problemOf,
} from '../../settings/linear-regex.ts';
import type { Settings } from '../../settings/table.ts';
import { baseOf } from '../model/location.ts';
import type { Manifest } from '../model/manifest.ts';
import type { Skipped } from '../model/output.ts';
import { isOwnName } from '../model/own-names.ts';
import { parseGlob } from './glob.ts';

/** The settings that select sources. */
export type Selection = Pick<Settings, 'filters' | 'groupBy'>;

/** Returns the folder of a source's output, empty or with its slash; undefined for a source that is left out. */
export type Selector = (key: string) => string | undefined;

/** A source that is left out: how it is counted, and the rule that leaves it out, as text. */
export interface LeftOut {
  skipped: keyof Skipped;
  by: string;
}

/** Returns the folder of a source's output, empty or with its slash, or why the source is left out. */
export type Sorter = (key: string) => { folder: string } | LeftOut;

const OWN: LeftOut = { skipped: 'own', by: 'written by this program' };
const HIDDEN: LeftOut = { skipped: 'hidden', by: 'hidden: a name in it begins with _ or .' };
const IN_NO_GROUP: LeftOut = { skipped: 'filtered', by: 'groupBy captures nothing in it' };
/** Characters that `.` does not match in JavaScript. */
const LINE_BREAK = /[\n\r\u2028\u2029]/;

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
 * A sorter for keys under a source prefix. It throws `InvalidArgument` for a key whose captures are no folder.
 *
 *
 * - What this program writes into a destination is never a source.
 * - Of filters the last that matches decides.
 * - Where none matches, what other tools hide is left out: a name that begins with an underscore or a dot, in any segment
 *   that begins behind the prefix, as Hadoop (https://hadoop.apache.org/docs/stable/api/org/apache/hadoop/mapred/FileInputFormat.html),
 *   Spark and Athena (https://docs.aws.amazon.com/athena/latest/ug/other-notable-limitations.html) have it.
 *
 * @param sourcePrefix up to its last slash it is cut off a key before filters and `groupBy` look at it
 */
export function createSorter({ filters = [], groupBy }: Partial<Selection>, sourcePrefix: string): Sorter {
  const sort = createFilter(filters, sourcePrefix);
  const { length } = baseOf(sourcePrefix);
  const group = groupBy === undefined ? undefined : createGrouping(groupBy);
  const ungrouped = { folder: '' };
  return (key) => {
    const name = key.slice(length);
    const leftOut = sort(name);
    if (leftOut !== undefined) return leftOut;
    if (group === undefined) return ungrouped;
    const folder = group(key, name);
    return folder === undefined ? IN_NO_GROUP : { folder };
  };
}

/** The same as a selector. */
export function createSelector(selection: Partial<Selection>, sourcePrefix: string): Selector {
  const sort = createSorter(selection, sourcePrefix);
  return (key) => folderIn(sort(key));
}

/** The folder of a source that was sorted; undefined for one that is left out. */
export function folderIn(sorted: ReturnType<Sorter>): string | undefined {
  return 'folder' in sorted ? sorted.folder : undefined;
}

/**
 * The selector of the run that committed a rollup, from its manifest: sources that it leaves out are not missing from the
 * rollup. It returns undefined also for a key that would have ended that run. An expression of an earlier release that
 * cannot be matched in linear time is widened to one that can: a source that may have been left out is then reported as
 * late rather than not at all. What is hidden is left out also where an earlier release committed the rollup, which took it
 * in: no run would add it today, and what is committed is no question of selection.
 *
 * @throws RollupError `BadManifest` if the manifest's filters or `groupBy` are none
 */
export function committedSelector({ settings }: Pick<Manifest, 'settings'>, sourcePrefix: string): Selector {
  const { filters, groupBy } = parseCommitted(settings);
  if (groupBy !== undefined && problemOf(groupBy) !== undefined) {
    const sort = createFilter(filters, sourcePrefix);
    const mayMatch = compileWidened(groupBy);
    const { length } = baseOf(sourcePrefix);
    return (key) => {
      const name = key.slice(length);
      return sort(name) === undefined && mayMatch(name) ? '' : undefined;
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

/** Returns why a name is left out, whatever its group; undefined if it is in. See `createSorter`. */
function createFilter(
  filters: Selection['filters'],
  sourcePrefix: string,
): (name: string) => LeftOut | undefined {
  const rules = filters.map((filter) => {
    const [glob, leftOut]: [string, LeftOut | undefined] =
      'include' in filter
        ? [filter.include, undefined]
        : [filter.exclude, { skipped: 'filtered', by: `exclude ${JSON.stringify(filter.exclude)}` }];
    return { matches: parseGlob(glob), leftOut };
  });
  // A segment that the prefix itself begins was asked for, whatever it begins with.
  const begun = sourcePrefix.length - baseOf(sourcePrefix).length;
  return (name) => {
    if (isOwnName(name)) return OWN;
    const rule = rules.findLast(({ matches }) => matches(name));
    if (rule !== undefined) return rule.leftOut;
    return isHidden(name, begun) ? HIDDEN : undefined;
  };
}

/** The beginning of a segment that is hidden. A segment `.` or `..` is no name, and hides nothing. */
const HIDDEN_SEGMENT = /^(_|\.(?!\.?(\/|$)))/;
const HIDDEN_INNER_SEGMENT = /\/(_|\.(?!\.?(\/|$)))/;

/** True of a name with a segment that begins with an underscore or a dot, at the character `from` or behind it. */
function isHidden(name: string, from: number): boolean {
  if (from === 0 && HIDDEN_SEGMENT.test(name)) return true;
  return HIDDEN_INNER_SEGMENT.test(name.slice(from));
}

/** Returns the folder that `groupBy` makes of a source, undefined for one that is in no group. Throws `InvalidArgument`. */
function createGrouping(groupBy: string): (key: string, name: string) => string | undefined {
  const match = compileRegex(groupBy);
  let acrossLines: Match | undefined;
  return (key, name) => {
    const folder = folderOf(key, name, match);
    if (folder !== undefined || !LINE_BREAK.test(name)) return folder;
    acrossLines ??= compileAcrossLines(groupBy);
    if (acrossLines(name) === undefined) return undefined;
    throw new RollupError(
      'InvalidArgument',
      `${key} has a line break, which . in groupBy does not match: without it, the source would be in a group. Write [^] or (?s:.) in place of the dot, or exclude the source.`,
      { key },
    );
  };
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

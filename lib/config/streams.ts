import { z } from 'zod';
import { HOUR_TEMPLATE, METRICS } from '../../lambda/names.ts';
import { PLACEHOLDERS, PLACEHOLDER_LIST, findForeign } from '../../lambda/settings/placeholders.ts';
import { type Each, choicesOf, eachProblems, fillChoice } from './each.ts';
import { findOverlaps } from './patterns.ts';

/** Properties of one stream of logs, or with `each` of several. */
export interface StreamProps {
  /** Name of the schedule, of the alarm, and value of the metrics' dimension `stream`: 1 to 40 letters, digits, `-` or `_`. */
  readonly name: string;
  /**
   * The hour's prefix as a template with `{yyyy}`, `{MM}`, `{dd}` and `{HH}`: relative to the raw root, or whole
   * (`s3://application-logs/raw/checkout/{yyyy}{MM}{dd}/{HH}/`), which must then be under the raw root. A folder ends with a
   * slash. Without one, the hour is all that begins with the prefix: `cf/E2EXAMPLE.{yyyy}-{MM}-{dd}-{HH}`. Sources of two
   * streams may not overlap.
   *
   * @defaultValue `<name>/{yyyy}{MM}{dd}/{HH}/`
   */
  readonly source?: string | undefined;
  /**
   * Minute of every hour at which the hour before is rolled up. Not within the grace period after the hour.
   *
   * @defaultValue 10
   */
  readonly minute?: number | undefined;
  /**
   * Values of placeholders of your own, which name and source have: one stream for each value, and for several placeholders
   * one for each combination of their values.
   *
   * @defaultValue none: one stream
   * @example
   * {
   *   name: 'trail-{region}',
   *   source: 'AWSLogs/111122223333/CloudTrail/{region}/{yyyy}/{MM}/{dd}/111122223333_CloudTrail_{region}_{yyyy}{MM}{dd}T{HH}',
   *   each: { region: ['eu-west-1', 'us-east-1'] },
   * }
   */
  readonly each?: Each | undefined;
}

/** A stream that was checked. */
export interface Stream {
  readonly name: string;
  /** The template below the raw root. */
  readonly path: string;
  readonly minute: number;
}

/** One stream of all hours that lie directly under the raw root. */
export const DEFAULT_STREAMS: readonly StreamProps[] = [{ name: 'default', source: HOUR_TEMPLATE }];

const DEFAULT_MINUTE = 10;

const value = z
  .string('must be text, in quotes: the id of an account may begin with 0')
  .min(1, 'must not be empty');
const each = z.record(
  z.string(),
  z.array(value, 'must be a list of texts'),
  'must be an object of lists, such as {"region": ["eu-west-1", "us-east-1"]}',
);

/**
 * Schema of the list of streams. Its result has one stream for each combination of the values in `each`.
 *
 * @param rawRoot `s3://bucket/raw/`, which every source must be under
 * @param aggregatedRoot `s3://bucket/aggregated/`, which rollups lie under as sources lie under the raw root
 * @param graceSeconds seconds after the hour within which no schedule may run
 */
export function streamsSchema(rawRoot: string, aggregatedRoot: string, graceSeconds: number) {
  const entry = z
    .strictObject({
      name: z
        .string('must be text')
        .regex(/^[A-Za-z0-9{][\w{}-]*$/, 'must be 1 to 40 letters, digits, "-" or "_"'),
      source: z.string('must be text').optional(),
      minute: z
        .int('must be a whole number from 0 to 59')
        .min(0, 'must be a whole number from 0 to 59')
        .max(59, 'must be a whole number from 0 to 59')
        .refine(
          (minute) => minute * 60 >= graceSeconds,
          `is within the grace period of ${graceSeconds} s (graceSeconds)`,
        )
        .prefault(DEFAULT_MINUTE),
      each: each.optional(),
    })
    .transform(({ name, source = `${name}/${HOUR_TEMPLATE}`, minute, each = {} }, context): Stream[] => {
      const refuse = (path: (string | number)[], message: string): void => {
        context.addIssue({ code: 'custom', path, message });
      };
      const problems = Object.keys(each).length === 0 ? [] : eachProblems(each, [name, source]);
      for (const { path, message } of problems) refuse(['each', ...path], message);
      if (problems.length > 0) return [];
      const streams = choicesOf(each).map((choice) => {
        const path = relativePath(fillChoice(source, choice), rawRoot);
        return { name: fillChoice(name, choice), path, minute };
      });
      const all = (problemsOf: (stream: (typeof streams)[number]) => string[]): Set<string> =>
        new Set(streams.flatMap(problemsOf));
      for (const message of all((stream) => nameProblems(stream.name))) refuse(['name'], message);
      for (const message of all(({ path }) => templateProblems(path, rawRoot))) refuse(['source'], message);
      return streams.map(({ path = '', ...stream }) => ({ ...stream, path }));
    });
  return z
    .array(entry, 'must be a list of {"name", "source", "minute", "each"}')
    .min(1, 'must name at least one stream')
    .superRefine((entries, context) => {
      // An entry with a problem is not expanded: it stands here as it was given.
      const expanded = (entries as unknown[]).map((found) =>
        Array.isArray(found) ? (found as Stream[]) : [],
      );
      const streams = expanded.flatMap((found, index) => found.map((stream) => ({ ...stream, index })));
      const refuse = (at: number, field: string, message: string): void => {
        const { index = 0, name = '' } = streams[at] ?? {};
        const which = (expanded[index]?.length ?? 0) > 1 ? ` (of ${name})` : '';
        context.addIssue({ code: 'custom', path: [index, field], message: message + which });
      };
      const seen = { name: new Set<string>(), path: new Set<string>() };
      const repeated = new Set<number>();
      streams.forEach((one, at) => {
        for (const field of ['name', 'path'] as const) {
          if (seen[field].has(one[field])) {
            refuse(at, field === 'path' ? 'source' : field, 'is that of another stream');
            repeated.add(at);
          }
          seen[field].add(one[field]);
        }
      });
      const templates = streams.map(({ name, path }) => ({
        name,
        source: rawRoot + path,
        destination: `${aggregatedRoot}${path}${path.endsWith('/') ? '' : '/'}`,
      }));
      for (const { index, message } of findOverlaps(templates))
        if (!repeated.has(index)) refuse(index, 'source', message);
    })
    .transform((entries) => entries.flat());
}

function nameProblems(name: string): string[] {
  if (/[{}]/.test(name)) return [`has a placeholder that "each" has no values for: ${name}`];
  if (!/^[A-Za-z0-9][\w-]{0,39}$/.test(name))
    return [`must be 1 to 40 letters, digits, "-" or "_"${name.length > 40 ? `, not "${name}"` : ''}`];
  if (name === METRICS.unnamedStream) return ['is taken: requests that name no stream are counted under it'];
  return [];
}

/** The template below the raw root; undefined for a source that is not under it. */
function relativePath(source: string, rawRoot: string): string | undefined {
  if (source.startsWith(rawRoot)) return source.slice(rawRoot.length);
  return source.startsWith('s3://') ? undefined : source;
}

function templateProblems(path: string | undefined, rawRoot: string): string[] {
  if (path === undefined) return [`must be relative or begin with the raw root, ${rawRoot}`];
  const foreign = findForeign(path);
  if (foreign !== undefined)
    return [`must have ${foreign.use}, which the hour fills, in place of "${foreign.found}"`];
  const problems: string[] = [];
  const placeholders = [...PLACEHOLDERS.keys()];
  const missing = placeholders.filter((placeholder) => !path.includes(placeholder));
  if (missing.length > 0) problems.push(`must contain ${missing.join(', ')}`);
  const fixed = placeholders.reduce((text, placeholder) => text.replaceAll(placeholder, ''), path);
  if (/[{}]/.test(fixed))
    problems.push(`must have no placeholders but ${PLACEHOLDER_LIST}, and those that "each" has values for`);
  if (/[*?]/.test(fixed)) problems.push('must be a prefix, not a glob: for several prefixes, use "each"');
  if (/(^|\/)\.{1,2}(\/|$)/.test(path)) problems.push('must not have a "." or ".." segment');
  return problems;
}

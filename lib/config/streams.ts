import { z } from 'zod';
import { HOUR_TEMPLATE, METRICS } from '../../lambda/names.ts';

/** Properties of one stream of logs. */
export interface StreamProps {
  /** Name of the schedule, of the alarm, and value of the metrics' dimension `stream`: 1 to 40 letters, digits, `-` or `_`. */
  readonly name: string;
  /**
   * The hour's prefix as a template with `{yyyy}`, `{MM}`, `{dd}` and `{HH}`: relative to the raw root, or whole
   * (`s3://application-logs/raw/checkout/{yyyy}{MM}{dd}/{HH}/`), which must then be under the raw root.
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
const PLACEHOLDERS = ['{yyyy}', '{MM}', '{dd}', '{HH}'] as const;

/**
 * Schema of the list of streams.
 *
 * @param rawRoot `s3://bucket/raw/`, which every source must be under
 * @param graceSeconds seconds after the hour within which no schedule may run
 */
export function streamsSchema(rawRoot: string, graceSeconds: number) {
  const stream = z
    .strictObject({
      name: z
        .string('must be text')
        .regex(/^[A-Za-z0-9][\w-]{0,39}$/, 'must be 1 to 40 letters, digits, "-" or "_"')
        .refine(
          (name) => name !== METRICS.unnamedStream,
          'is taken: requests that name no stream are counted under it',
        ),
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
    })
    .transform(({ name, source, minute }, context): Stream => {
      const path = relativePath(source ?? `${name}/${HOUR_TEMPLATE}`, rawRoot);
      for (const message of templateProblems(path, rawRoot)) {
        context.addIssue({ code: 'custom', path: ['source'], message });
      }
      return { name, path: path ?? '', minute };
    });
  return z
    .array(stream, 'must be a list of {"name", "source", "minute"}')
    .min(1, 'must name at least one stream')
    .superRefine((streams, context) => {
      streams.forEach((one, index) => {
        for (const field of ['name', 'path'] as const) {
          if (streams.findIndex((other) => other[field] === one[field]) < index) {
            context.addIssue({
              code: 'custom',
              path: [index, field === 'path' ? 'source' : field],
              message: 'is that of another stream',
            });
          }
        }
      });
    });
}

/** The template below the raw root; undefined for a source that is not under it. */
function relativePath(source: string, rawRoot: string): string | undefined {
  if (source.startsWith(rawRoot)) return source.slice(rawRoot.length);
  return source.startsWith('s3://') ? undefined : source;
}

function templateProblems(path: string | undefined, rawRoot: string): string[] {
  if (path === undefined) return [`must be relative or begin with the raw root, ${rawRoot}`];
  const problems: string[] = [];
  const missing = PLACEHOLDERS.filter((placeholder) => !path.includes(placeholder));
  if (missing.length > 0) problems.push(`must contain ${missing.join(', ')}`);
  const fixed = PLACEHOLDERS.reduce((text, placeholder) => text.replaceAll(placeholder, ''), path);
  if (/[{}]/.test(fixed)) problems.push(`must have no placeholders but ${PLACEHOLDERS.join(', ')}`);
  if (!path.endsWith('/')) problems.push('must end with "/"');
  if (path.startsWith('/') || path.includes('//')) problems.push('must not have an empty segment');
  if (/(^|\/)\.{1,2}(\/|$)/.test(path)) problems.push('must not have a "." or ".." segment');
  return problems;
}

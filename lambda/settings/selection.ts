import { z } from 'zod';
import { fillRegex, findForeign } from './placeholders.ts';
import { json, text } from './value-types.ts';
import { problemOf } from './linear-regex.ts';
import { group, row } from './row.ts';

/** Characters of a glob or an expression: no key has more bytes. https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html */
const LONGEST = 1024;
const TOO_LONG = `must have at most ${LONGEST} characters, which is as long as keys are`;

const MUST_BE_FILTERS = 'must be a list of {"include": glob} and {"exclude": glob}';
const glob = z
  .string('must be text')
  .min(1, 'must not be empty')
  .max(LONGEST, TOO_LONG)
  .superRefine((text, context) => {
    refuseForeign(text, context);
  });
const filter = z.union(
  [z.strictObject({ include: glob }), z.strictObject({ exclude: glob })],
  'must be {"include": glob} or {"exclude": glob}',
);

const regex = z
  .string('must be a regular expression')
  .max(LONGEST, { error: TOO_LONG, abort: true })
  .superRefine((source, context) => {
    if (refuseForeign(source, context)) return;
    const message = problemOf(fillRegex(source, (placeholder) => '0'.repeat(placeholder.length - 2)));
    if (message !== undefined) context.addIssue({ code: 'custom', message });
  });

/** Adds an issue for a placeholder that is filled by other programs alone; true if there is one. */
function refuseForeign(text: string, context: z.RefinementCtx): boolean {
  const foreign = findForeign(text);
  if (foreign === undefined) return false;
  const { found, use } = foreign;
  context.addIssue({
    code: 'custom',
    message: `must have ${use}, which the hour fills, in place of "${found}"`,
  });
  return true;
}

/** Settings that select sources, and group them. */
export const selection = group('Selection:', {
  /**
   * Globs over the key behind the last slash of the source prefix. The last one that matches a source decides; a source that
   * none matches is rolled up. `{yyyy}`, `{MM}`, `{dd}` and `{HH}` in them are filled from the hour.
   *
   * @defaultValue no filters: every source is rolled up
   */
  filters: row(json(z.array(filter, MUST_BE_FILTERS)), {
    default: [],
    description: 'globs that decide which sources are in, the last that matches',
    example: '[{"exclude":"*"},{"include":"*.log"}]',
    recorded: 'unless default',
    flags: [
      {
        name: 'exclude',
        value: '<glob>',
        description: 'leave out sources whose key behind the source prefix matches, as in aws s3; repeatable',
        example: "'*.tmp'",
        entry: (exclude) => ({ exclude }),
      },
      {
        name: 'include',
        value: '<glob>',
        description: 'take in what matches, after an --exclude: the last of both that matches decides',
        example: "'*.log'",
        entry: (include) => ({ include }),
      },
    ],
  }),
  /**
   * A regular expression with captures, which is searched for in the key behind the last slash of the source prefix, in linear
   * time. Sources with equal captures share outputs, in a folder of that name. Placeholders are filled as in filters.
   *
   * @defaultValue no groups
   */
  groupBy: row(text(regex), {
    default: undefined,
    description: 'sources in whose keys this captures the same share outputs, in a folder of that name',
    value: '<regex>',
    example: "'^([^/]+)/'",
    recorded: 'unless default',
  }),
});

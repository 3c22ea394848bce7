/** The placeholders of an hour, and the number of digits that each is filled with. */
export const PLACEHOLDERS: ReadonlyMap<string, number> = new Map([
  ['{yyyy}', 4],
  ['{MM}', 2],
  ['{dd}', 2],
  ['{HH}', 2],
]);

/** The placeholders as a sentence names them. */
export const PLACEHOLDER_LIST = '{yyyy}, {MM}, {dd} and {HH}';

/** Names that are written in place of those of the placeholders, in lower case. */
const MEANT: ReadonlyMap<string, string> = new Map([
  ['yyyy', '{yyyy}'],
  ['yy', '{yyyy}'],
  ['year', '{yyyy}'],
  ['mm', '{MM}'],
  ['month', '{MM}'],
  ['dd', '{dd}'],
  ['day', '{dd}'],
  ['hh', '{HH}'],
  ['hour', '{HH}'],
]);

/** https://docs.python.org/3/library/datetime.html#format-codes, which Fluent Bit, Fluentd and Vector take too. */
const CODES: ReadonlyMap<string, string> = new Map([
  ['Y', '{yyyy}'],
  ['y', '{yyyy}'],
  ['m', '{MM}'],
  ['d', '{dd}'],
  ['H', '{HH}'],
  ['F', '{yyyy}-{MM}-{dd}'],
]);

const BRACED = new RegExp(`(?<!\\\\)\\{(${[...MEANT.keys()].join('|')})\\}`, 'gi');
/** `%d0` and `%F0` are bytes of a key that is percent-encoded. `%-d` is a day without its leading zero. */
const PERCENT = /%-?(?:([YymH])|([dF])(?![0-9A-Fa-f]))/;
/**
 * The dates of Logstash (`%{+YYYY.MM.dd}`) and of Firehose (`!{timestamp:yyyy/MM/dd}`):
 * https://www.elastic.co/docs/reference/logstash/event-dependent-configuration,
 * https://docs.aws.amazon.com/firehose/latest/dev/s3-prefixes.html
 */
const OTHERS = /%\{\+[^{}]*\}|!\{timestamp:[^{}]*\}/;

/** A placeholder that is none of this program's, and those to write in its place. */
export interface ForeignPlaceholder {
  found: string;
  use: string;
}

/**
 * Finds a placeholder that other programs fill, or one that is misspelt: `%Y` -> `{yyyy}`, `{mm}` -> `{MM}`. Taken literally
 * it is never what was meant.
 */
export function findForeign(text: string): ForeignPlaceholder | undefined {
  const other = OTHERS.exec(text)?.[0];
  if (other !== undefined) return { found: other, use: PLACEHOLDER_LIST };
  const code = PERCENT.exec(text);
  if (code !== null) return { found: code[0], use: CODES.get(code[1] ?? code[2] ?? '') ?? PLACEHOLDER_LIST };
  for (const [found, name = ''] of text.matchAll(BRACED)) {
    if (!PLACEHOLDERS.has(found)) return { found, use: MEANT.get(name.toLowerCase()) ?? PLACEHOLDER_LIST };
  }
  return undefined;
}

/** The first of `{yyyy}`, `{MM}`, `{dd}` and `{HH}` that a text has; undefined where it has none. */
export function findPlaceholder(text: string): string | undefined {
  return [...PLACEHOLDERS.keys()].find((placeholder) => text.includes(placeholder));
}

/**
 * Replaces the placeholders of a regular expression. What follows one counts for all of its digits: `{HH}+` -> `(?:08)+`.
 *
 * @param digitsOf returns the digits of a placeholder
 */
export function fillRegex(source: string, digitsOf: (placeholder: string) => string): string {
  return source.replace(
    /(?<!\\)\{(?:yyyy|MM|dd|HH)\}(?=([*+?]|\{\d)?)/g,
    (found, quantifier: string | undefined) =>
      quantifier === undefined ? digitsOf(found) : `(?:${digitsOf(found)})`,
  );
}

/** A column that the pattern of a destination makes of the folders of a rollup. */
export interface Partition {
  name: string;
  /** `date` with the format of its text, or a number of so many digits between two others. */
  is: { type: 'date'; format: string } | { type: 'integer'; digits: number; from: number; to: number };
}

/** A destination as readers see it: its columns, and its text with `${name}` in their places. */
export interface Partitioned {
  /** The prefix that all rollups are under, up to the last slash before the first placeholder. */
  root: string;
  template: string;
  partitions: Partition[];
}

const NUMBERS: Record<string, Partition> = {
  '{yyyy}': { name: 'year', is: { type: 'integer', digits: 4, from: 2020, to: 2099 } },
  '{MM}': { name: 'month', is: { type: 'integer', digits: 2, from: 1, to: 12 } },
  '{dd}': { name: 'day', is: { type: 'integer', digits: 2, from: 1, to: 31 } },
  '{HH}': { name: 'hour', is: { type: 'integer', digits: 2, from: 0, to: 23 } },
};

/** A whole date, with what may stand between its parts in a format of Java's without quotes. */
const DATE = /\{yyyy\}([^\w{}']*)\{MM\}([^\w{}']*)\{dd\}/;

/**
 * Takes the pattern of a destination apart: `s3://b/app/{yyyy}{MM}{dd}/{HH}/` -> the columns `day` and `hour`. In folders such
 * as `dt={yyyy}-{MM}-{dd}` a column has the name that stands there.
 *
 * @param pattern `s3://bucket/…/`, with no other placeholders than those of an hour
 */
export function partitionsOf(pattern: string): Partitioned {
  const partitions = new Map<string, Partition>();
  const once = (name: string): boolean => pattern.split(name).length === 2;
  const date = ['{yyyy}', '{MM}', '{dd}'].every(once) ? DATE.exec(pattern)?.[0] : undefined;
  let template = '';
  for (const piece of pattern.split(/(\{[^{}]*\})/)) {
    const number = NUMBERS[piece];
    if (number === undefined) {
      template += piece;
      continue;
    }
    const known = partitions.get(piece)?.name;
    const name = known ?? /(?:^|\/)(\w+)=$/.exec(template)?.[1]?.toLowerCase() ?? number.name;
    partitions.set(piece, { ...number, name });
    template += `\${${name}}`;
  }
  if (date !== undefined) {
    const names = ['{yyyy}', '{MM}', '{dd}'].map((piece) => partitions.get(piece)?.name ?? '');
    const named = date.replace(/\{(yyyy|MM|dd)\}/g, (piece) => `\${${partitions.get(piece)?.name ?? ''}}`);
    const name = names[0] === 'year' ? 'day' : (names[0] ?? 'day');
    template = template.replace(named, () => `\${${name}}`);
    const day: Partition = { name, is: { type: 'date', format: date.replaceAll(/[{}]/g, '') } };
    for (const piece of ['{yyyy}', '{MM}', '{dd}']) partitions.delete(piece);
    return { root: rootOf(pattern), template, partitions: [day, ...partitions.values()] };
  }
  return { root: rootOf(pattern), template, partitions: [...partitions.values()] };
}

const rootOf = (pattern: string): string => {
  const at = pattern.indexOf('{');
  return at === -1 ? pattern : pattern.slice(0, pattern.lastIndexOf('/', at) + 1);
};

/** The template as a glob: with an asterisk in place of its columns. Two asterisks side by side would mean folders of any depth. */
export const globOf = ({ template }: Partitioned): string =>
  template.replaceAll(/(\$\{\w+\})+/g, '*').replaceAll(/\*{2,}/g, '*');

/** The template as a regular expression with a group for each column, and their names in its order. */
export function expressionOf({ template, partitions }: Partitioned): { expression: string; names: string[] } {
  const names: string[] = [];
  const widths = new Map(
    partitions.map(({ name, is }) => [
      name,
      is.type === 'date' ? is.format.replaceAll(/\w/g, '\\d') : `\\d{${is.digits}}`,
    ]),
  );
  const expression = template.split(/(\$\{\w+\})/).map((piece) => {
    const name = /^\$\{(\w+)\}$/.exec(piece)?.[1];
    if (name === undefined) return piece.replaceAll(/[.*+?^$()[\]{}|\\]/g, '\\$&');
    const width = widths.get(name) ?? '';
    if (names.includes(name)) return width;
    names.push(name);
    return `(${width})`;
  });
  return { expression: expression.join(''), names };
}

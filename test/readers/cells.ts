import { page } from '../lib/markdown.ts';
import { FORMS, sorted } from './hour.ts';

/** What a reader made of an hour. `wrong`: other rows than were rolled up, and no error. */
export type Cell = 'exact' | 'wrong' | 'refused' | '–';

const HEADER = ['Reader', 'Way', ...FORMS.map(({ name }) => name), 'By'];

/** Rows of the page's table by reader and way, such as `DuckDB glob`: the cells, without those of reader and way. */
export type Rows = Map<string, string[]>;

/** Compares what was read with the truth; an error counts as a refusal. */
export async function cellOf(read: () => Promise<number[]> | number[], truth: number[]): Promise<Cell> {
  let ids: number[];
  try {
    ids = await read();
  } catch {
    return 'refused';
  }
  return sorted(ids).join() === sorted(truth).join() ? 'exact' : 'wrong';
}

const cellsOf = (line: string): string[] =>
  line
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim());
const lineOf = (cells: string[]): string => `| ${cells.join(' | ')} |`;

function tableIn(text: string): { before: string[]; rows: string[][]; after: string[] } {
  const lines = text.split('\n');
  const at = lines.findIndex((line) => cellsOf(line).slice(0, 2).join() === 'Reader,Way');
  if (at === -1) return { before: lines, rows: [], after: [] };
  const end = lines.findIndex((line, i) => i > at && !line.startsWith('|'));
  const rows = lines.slice(at + 2, end).map(cellsOf);
  return { before: lines.slice(0, at), rows, after: lines.slice(end) };
}

/** The table of docs/readers.md. */
export function rowsOfPage(): Rows {
  const { rows } = tableIn(page('readers.md'));
  return new Map(rows.map(([reader = '', way = '', ...cells]) => [`${reader}: ${way}`, cells]));
}

/** The page with measured rows in place of those of the same reader and way, and behind them those that it lacks. */
export function withRows(text: string, measured: Rows): string {
  const { before, rows, after } = tableIn(text);
  const left = new Map(measured);
  const put = rows.map(([reader = '', way = '', ...cells]) => {
    const name = `${reader}: ${way}`;
    const found = left.get(name);
    left.delete(name);
    return [reader, way, ...(found ?? cells)];
  });
  for (const [name, cells] of left) put.push([...name.split(': '), ...cells]);
  const rule = HEADER.map(() => '---');
  return [...before, ...[HEADER, rule, ...put].map(lineOf), ...after].join('\n');
}

import Table from 'cli-table3';
import { printable } from '../../lambda/printable.ts';

/** Writes the result of a command to stdout: one JSON object, or lines. Nothing else goes to stdout. */
export function printResult<T>(
  result: T,
  format: (result: T) => string[],
  { json }: { json?: true | undefined },
): void {
  process.stdout.write(json === true ? formatJson(result) : formatLines(format(result)));
}

/** Writes warnings to stderr, one a line; also with `--json`, where the result has them too. */
export function printWarnings(warnings: readonly { code: string; message: string }[] = []): void {
  process.stderr.write(formatLines(warnings.map(({ code, message }) => `warning: ${message} (${code})`)));
}

/**
 * Lines with their line ends. Control characters in names are escaped, so that no name ends a line or reaches a
 * terminal.
 */
export function formatLines(lines: string[]): string {
  return lines.map((line) => `${printable(line)}\n`).join('');
}

/** JSON on one line. Escapes are inside strings, so that a parser gets every name unchanged. */
export function formatJson(value: unknown): string {
  return formatLines([JSON.stringify(value)]);
}

/** Ignores that a reader has closed the pipe (`| head`): that is no failure of the command. */
export function surviveClosedPipes(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
    });
  }
}

const NO_LINES = Object.fromEntries(
  ['top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left', 'bottom-right']
    .concat(['left', 'left-mid', 'mid', 'mid-mid', 'right', 'right-mid'])
    .map((name) => [name, '']),
);

/** Rows as aligned columns, one line each, indented by two. `aligns` has `l` or `r` for each column. */
export function formatColumns(rows: string[][], aligns: string): string[] {
  const table = new Table({
    chars: { ...NO_LINES, middle: '  ' },
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [] },
    colAligns: Array.from(aligns, (align) => (align === 'r' ? 'right' : 'left')),
  });
  // Escaped first: it changes the width.
  table.push(...rows.map((row) => row.map(printable)));
  return table
    .toString()
    .split('\n')
    .map((line) => `  ${line.trimEnd()}`);
}

/** 30000 -> `30,000`. */
export function formatCount(count: number): string {
  return count.toLocaleString('en-US');
}

/** 1, `object` -> `1 object`; 2,000 -> `2,000 objects`. */
export function formatNoun(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? '' : 's'}`;
}

/** 12.5 -> `$12.50`, 0.0124 -> `$0.0124`, 0.000015 -> `$0.000015`. */
export function formatDollars(amount: number): string {
  return `$${amount.toFixed(amount >= 1 ? 2 : amount >= 0.01 || amount === 0 ? 4 : 6)}`;
}

/** `1 empty, 2 filtered skipped` */
export function formatSkipped({ empty, filtered }: { empty: number; filtered: number }): string {
  const left = filtered === 0 ? '' : `, ${formatCount(filtered)} filtered`;
  return `${formatCount(empty)} empty${left} skipped`;
}

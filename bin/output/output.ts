import Table from 'cli-table3';
import type { RunWarning, Skipped } from '../../lambda/rollup/index.ts';
import { printable } from '../../lambda/printable.ts';

/** Writes the result of a command to stdout: one JSON object, or lines. Nothing else goes to stdout. */
export function printResult<T>(
  result: T,
  format: (result: T) => string[],
  { json }: { json?: true | undefined },
): void {
  process.stdout.write(json === true ? formatJson(result) : formatLines(format(result)));
}

/** Writes warnings to stderr, a line each: `warning: … (Code)`, or with `--json` `{"warning":{"code","message","key"?}}`. */
export function printWarnings(
  { warnings = [] }: { warnings?: RunWarning[] },
  { json }: { json?: true | undefined },
): void {
  for (const warning of warnings) {
    const { code, message } = warning;
    const line = `warning: ${message} (${code})`;
    process.stderr.write(json === true ? formatJson({ warning }) : formatLines([line]));
  }
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

/** `1 empty, 2 filtered skipped`; with those that are hidden and the program's own, if there are any. */
export function formatSkipped({ empty, filtered, hidden = 0, own = 0 }: Skipped): string {
  const others = Object.entries({ filtered, hidden, own }).filter(([, count]) => count > 0);
  return [
    `${formatCount(empty)} empty`,
    ...others.map(([reason, count]) => `${formatCount(count)} ${reason}`),
  ]
    .join(', ')
    .concat(' skipped');
}

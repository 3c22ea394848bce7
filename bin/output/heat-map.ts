import { styleText } from 'node:util';
import type { HourState, HourStatus } from '../operator/hour-status.ts';
import { printable } from '../../lambda/printable.ts';

/** How a state is shown: a letter that tells it without colour, and a colour. */
export const STATES: Record<HourState, { letter: string; style: Parameters<typeof styleText>[0] }> = {
  'rolled-up': { letter: 'R', style: 'green' },
  late: { letter: 'L', style: ['yellow', 'bold'] },
  missing: { letter: 'M', style: ['red', 'bold'] },
  open: { letter: 'o', style: 'cyan' },
  empty: { letter: '.', style: 'dim' },
  unreadable: { letter: '!', style: ['white', 'bgRed', 'bold'] },
  failed: { letter: 'F', style: ['white', 'bgMagenta', 'bold'] },
};

/** What a heat map needs of an hour. */
export type Cell = Pick<HourStatus, 'hour' | 'stream' | 'state'>;

/** Sorts cells into a grid for each stream, in the order in which streams and days first appear. */
export function gridsOf<T extends Cell>(
  cells: readonly T[],
): {
  stream: string | undefined;
  days: { day: string; hours: (T | undefined)[] }[];
}[] {
  const grids = new Map<string | undefined, Map<string, (T | undefined)[]>>();
  for (const cell of cells) {
    const days = grids.get(cell.stream) ?? new Map<string, (T | undefined)[]>();
    grids.set(cell.stream, days);
    const day = cell.hour.slice(0, 10);
    const hours = days.get(day) ?? Array.from<T | undefined>({ length: 24 });
    days.set(day, hours);
    hours[Number(cell.hour.slice(11, 13))] = cell;
  }
  return [...grids].map(([stream, days]) => ({
    stream,
    days: [...days].map(([day, hours]) => ({ day, hours })),
  }));
}

/**
 * A row for each day and a cell for each hour, of every stream, with a legend.
 *
 * @param colours false for letters alone
 * @returns lines that may have colours, and whose names are escaped: they go to the terminal as they are
 */
export function formatHeatMap(cells: readonly Cell[], { colours }: { colours: boolean }): string[] {
  const paint = (state: HourState): string => {
    const { letter, style } = STATES[state];
    return colours ? styleText(style, letter, { validateStream: false }) : letter;
  };
  const rulerOf = Array.from({ length: 8 }, (_, i) =>
    String(i * 3)
      .padStart(2, '0')
      .padEnd(6),
  ).join('');
  const lines = gridsOf(cells).flatMap(({ stream, days }) => [
    `  ${printable(stream ?? '')
      .slice(0, 10)
      .padEnd(10)}  ${rulerOf}`.trimEnd(),
    ...days.map(({ day, hours }) => {
      const row = hours.map((cell) => (cell === undefined ? ' ' : paint(cell.state)));
      return `  ${day}  ${row.join(' ')}`.trimEnd();
    }),
  ]);
  const seen = new Set(cells.map(({ state }) => state));
  const legend = (Object.keys(STATES) as HourState[])
    .filter((state) => seen.has(state))
    .map((state) => `${paint(state)} ${state}`);
  return [...lines, `  ${legend.join('   ')}`, ''];
}

import { stripVTControlCharacters } from 'node:util';
import { expect, test } from 'vitest';
import { parseHour } from '../../../lambda/rollup/index.ts';
import { hasUnprintable } from '../../../lambda/printable.ts';
import { type Cell, formatHeatMap } from '../../../bin/output/heat-map.ts';

const cell = (hour: string, state: Cell['state'], stream?: string): Cell => ({
  hour: parseHour(hour),
  state,
  ...(stream === undefined ? {} : { stream }),
});

test('a heat map has a row for each day and a letter for each hour, under a ruler of hours', () => {
  const cells = [
    cell('2026-11-20T22', 'rolled-up'),
    cell('2026-11-20T23', 'late'),
    cell('2026-11-21T00', 'missing'),
    cell('2026-11-21T01', 'empty'),
    cell('2026-11-21T02', 'unreadable'),
    cell('2026-11-21T03', 'open'),
    cell('2026-11-21T04', 'failed'),
  ];
  const [ruler = '', first = '', second = '', legend] = formatHeatMap(cells, { colours: false });
  expect(first).toBe(`  2026-11-20  ${' '.repeat(44)}R L`);
  expect(second).toBe('  2026-11-21  M . ! o F');
  expect(ruler.indexOf('21')).toBe(14 + 2 * 21);
  expect(legend).toBe('  R rolled-up   L late   M missing   o open   . empty   ! unreadable   F failed');
});

test('streams have a grid each, and their names cannot reach the terminal', () => {
  const cells = [
    cell('2026-11-20T00', 'late', 'a'),
    cell('2026-11-20T00', 'missing', '\u001b[2Jb\u202e'),
    cell('2026-11-20T01', 'rolled-up', 'a'),
  ];
  const text = formatHeatMap(cells, { colours: false }).join('\n');
  expect(text).toContain('  2026-11-20  L R');
  expect(text).toContain('  2026-11-20  M');
  expect(hasUnprintable(text.replaceAll('\n', ''))).toBe(false);
});

test('colours are added to letters, and take none away', () => {
  const cells = [cell('2026-11-20T00', 'late')];
  const painted = formatHeatMap(cells, { colours: true }).join('\n');
  expect(painted).toContain('\u001b[33m');
  expect(stripVTControlCharacters(painted)).toBe(formatHeatMap(cells, { colours: false }).join('\n'));
});

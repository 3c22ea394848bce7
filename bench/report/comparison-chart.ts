import { VARIANTS } from '../variants/variant.ts';
import type { Comparison } from './comparison.ts';
import type { Summary } from './summary.ts';
import { COLORS, INK, drawRect, drawSvg, drawText } from './svg.ts';
import { formatNumber } from './table.ts';

interface Panel {
  title: string;
  value: (summary: Summary) => number;
  format: (value: number) => string;
}

const PANELS: Panel[] = [
  { title: 'CPU, seconds a GB', value: (summary) => summary.cpuSecondsPerGb, format: formatNumber },
  {
    title: 'Peak memory, MB',
    value: (summary) => summary.rssBytes / 1e6,
    format: (megabytes) => Math.round(megabytes).toLocaleString('en-US'),
  },
  { title: 'Time, seconds', value: (summary) => summary.wallSeconds, format: formatNumber },
];

const WIDTH = 760;
const LEFT = 116;
const BARS = WIDTH - LEFT - 70;
const ROW = 24;
const PANEL = 34 + VARIANTS.length * ROW + 12;

/** One panel a figure, one bar a variant, each panel in its own scale from 0. */
export function comparisonChart({ variants, dataSet, machine, rounds }: Comparison): string {
  const elements = PANELS.flatMap(({ title, value, format }, panel) => {
    const top = 40 + panel * PANEL;
    const most = Math.max(...VARIANTS.map((name) => value(variants[name])));
    const bars = VARIANTS.flatMap((name, row) => {
      const y = top + 14 + row * ROW;
      const figure = value(variants[name]);
      const width = (BARS * figure) / most;
      return [
        drawText({ x: LEFT - 8, y: y + 13, text: name, anchor: 'end', bold: name === 's3-log-rollup' }),
        drawRect(LEFT, y, width, ROW - 7, COLORS[row] ?? INK),
        drawText({ x: LEFT + width + 6, y: y + 13, text: format(figure) }),
      ];
    });
    return [drawText({ x: LEFT, y: top + 4, text: title, bold: true }), ...bars];
  });
  const about = `${dataSet.objects.toLocaleString('en-US')} objects, ${formatNumber(dataSet.bytes / 1e9)} GB over TLS on loopback; medians of ${rounds}; Node ${machine.node}, ${machine.cores} cores, ${machine.date}`;
  const height = 40 + PANELS.length * PANEL;
  return drawSvg(WIDTH, height, 'CPU, memory and time of s3-log-rollup, compared', [
    drawText({ x: 16, y: 20, text: about, size: 11 }),
    ...elements,
  ]);
}

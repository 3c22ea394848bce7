import { drawSvg } from '../../bin/report/svg.ts';
import { VARIANTS, type VariantName } from '../variants/variant.ts';
import type { Comparison } from './comparison.ts';
import type { Summary } from './summary.ts';
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

/** Colour of text, readable on a light and on a dark page. */
const INK = '#57606a';
const COLOURS: Record<VariantName, string> = {
  floor: '#8c959f',
  https: '#0969da',
  simple: '#bf8700',
  's3-log-rollup': '#1a7f37',
};

const WIDTH = 760;
const LEFT = 116;
const RIGHT = 70;
const TOP = 40;
const ROW = 24;
const HEADING = 22;
const BARS = VARIANTS.length * ROW;
const PANEL = HEADING + BARS + 20;

/** One panel a figure, one bar a variant, each panel in its own scale from 0. */
export function comparisonChart({ variants, dataSet, machine, rounds }: Comparison): string {
  const about = `${dataSet.objects.toLocaleString('en-US')} objects, ${formatNumber(dataSet.bytes / 1e9)} GB over TLS on loopback; medians of ${rounds}; Node ${machine.node}, ${machine.cores} cores, ${machine.date}`;
  const textStyle = { color: INK, fontSize: 12, fontWeight: 'normal' };
  const topOf = (panel: number): number => TOP + panel * PANEL;
  const svg = drawSvg(
    {
      textStyle: { color: INK, fontFamily: '-apple-system,Segoe UI,Helvetica,Arial,sans-serif' },
      title: [
        { text: about, left: 11, top: 5, textStyle: { ...textStyle, fontSize: 11 } },
        ...PANELS.map(({ title }, panel) => ({
          ...{ text: title, left: LEFT - 5, top: topOf(panel) - 5 },
          textStyle: { ...textStyle, fontWeight: 600 },
        })),
      ],
      grid: PANELS.map((_, panel) => ({
        ...{ left: LEFT, right: RIGHT, top: topOf(panel) + HEADING, height: BARS },
      })),
      xAxis: PANELS.map((_, gridIndex) => ({
        type: 'value',
        gridIndex,
        show: false,
        min: 0,
        max: 'dataMax',
      })),
      yAxis: PANELS.map((_, gridIndex) => ({
        ...{ type: 'category', gridIndex, inverse: true, data: [...VARIANTS] },
        ...{ axisLine: { show: false }, axisTick: { show: false } },
        axisLabel: {
          formatter: (name: string) => (name === 's3-log-rollup' ? `{own|${name}}` : name),
          ...{ color: INK, fontSize: 12, rich: { own: { color: INK, fontSize: 12, fontWeight: 600 } } },
        },
      })),
      series: PANELS.map(({ value, format }, panel) => ({
        ...{ type: 'bar', xAxisIndex: panel, yAxisIndex: panel, barWidth: ROW - 7, silent: true },
        data: VARIANTS.map((name) => {
          const figure = value(variants[name]);
          const label = {
            show: true,
            position: 'right',
            color: INK,
            fontSize: 12,
            formatter: format(figure),
          };
          return { value: figure, itemStyle: { color: COLOURS[name], borderRadius: 2 }, label };
        }),
      })),
    },
    { width: WIDTH, height: TOP + PANELS.length * PANEL },
  );
  const label = 'CPU, memory and time of s3-log-rollup, compared';
  return `${svg.replace('<svg ', `<svg role="img" aria-label="${label}" `)}\n`;
}

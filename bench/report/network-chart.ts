import { drawSvg } from '../../bin/report/svg.ts';
import { formatNumber } from './table.ts';

/** One measurement in a panel. */
export interface NetworkBar {
  /** Title of its panel. */
  panel: string;
  label: string;
  seconds: number;
  isDefault: boolean;
}

/** Colour of text, readable on a light and on a dark page. */
const INK = '#57606a';
const OWN = '#1a7f37';
const OTHER = '#8c959f';

const WIDTH = 760;
const LEFT = 96;
const RIGHT = 70;
const TOP = 40;
const ROW = 24;
const HEADING = 22;

/**
 * One panel a setting, one bar a value, with the value that functions have marked, and a line at the least time that the
 * network allows.
 */
export function networkChart(bars: NetworkBar[], { about, least }: { about: string; least: number }): string {
  const panels = [...Map.groupBy(bars, ({ panel }) => panel)];
  const tops: number[] = [];
  let height = TOP;
  for (const [, { length }] of panels) {
    tops.push(height);
    height += HEADING + length * ROW + 20;
  }
  const textStyle = { color: INK, fontSize: 12, fontWeight: 'normal' };
  const max = Math.max(...bars.map(({ seconds }) => seconds));
  const svg = drawSvg(
    {
      textStyle: { color: INK, fontFamily: '-apple-system,Segoe UI,Helvetica,Arial,sans-serif' },
      title: [
        { text: about, left: 11, top: 5, textStyle: { ...textStyle, fontSize: 11 } },
        ...panels.map(([text], i) => ({
          ...{ text, left: LEFT - 5, top: (tops[i] ?? 0) - 5 },
          textStyle: { ...textStyle, fontWeight: 600 },
        })),
      ],
      grid: panels.map(([, { length }], i) => ({
        ...{ left: LEFT, right: RIGHT, top: (tops[i] ?? 0) + HEADING, height: length * ROW },
      })),
      xAxis: panels.map((_, gridIndex) => ({ type: 'value', gridIndex, show: false, min: 0, max })),
      yAxis: panels.map(([, ofPanel], gridIndex) => ({
        ...{ type: 'category', gridIndex, inverse: true, data: ofPanel.map(({ label }) => label) },
        ...{ axisLine: { show: false }, axisTick: { show: false }, axisLabel: { color: INK, fontSize: 12 } },
      })),
      series: panels.map(([, ofPanel], i) => ({
        ...{ type: 'bar', xAxisIndex: i, yAxisIndex: i, barWidth: ROW - 7, silent: true },
        markLine: {
          ...{ silent: true, symbol: 'none', label: { show: false }, data: [{ xAxis: least }] },
          lineStyle: { color: INK, type: 'dashed' },
        },
        data: ofPanel.map(({ seconds, isDefault }) => ({
          value: seconds,
          itemStyle: { color: isDefault ? OWN : OTHER, borderRadius: 2 },
          label: {
            ...{ show: true, position: 'right', color: INK, fontSize: 12 },
            formatter: `${formatNumber(seconds)} s${isDefault ? ', default' : ''}`,
          },
        })),
      })),
    },
    { width: WIDTH, height },
  );
  const label = 'Time of a rollup by outputs in flight, concurrency and part size';
  return `${svg.replace('<svg ', `<svg role="img" aria-label="${label}" `)}\n`;
}

import { drawSvg } from '../../bin/report/svg.ts';

/** One bar, with its name to the left and its figure to the right. */
export interface Bar {
  name: string;
  value: number;
  text: string;
  colour: string;
  /** True to print the name in bold. */
  isStrong?: boolean;
}

export interface Panel {
  title: string;
  bars: Bar[];
}

/** How panels are drawn. */
interface PanelOptions {
  /** A line above all panels. */
  about: string;
  /** For screen readers. */
  label: string;
  /** Width of the names, in the chart's own units. */
  left: number;
  /** The value at the right end of all panels; by default each has its own scale. */
  max?: number;
  /** A value at which a dashed line crosses all panels. */
  line?: number;
}

/** Colour of text, readable on a light and on a dark page. */
const INK = '#57606a';
/** Colours of bars: of this program, and of what it is compared with. */
export const OWN = '#1a7f37';
export const OTHER = '#8c959f';

const WIDTH = 760;
const RIGHT = 70;
const TOP = 40;
const ROW = 24;
const HEADING = 22;
const GAP = 20;

/** Draws panels of horizontal bars, one under the other, each from 0, as an SVG. */
export function barPanels(panels: Panel[], { about, label, left, max, line }: PanelOptions): string {
  const tops: number[] = [];
  let height = TOP;
  for (const { bars } of panels) {
    tops.push(height);
    height += HEADING + bars.length * ROW + GAP;
  }
  const textStyle = { color: INK, fontSize: 12, fontWeight: 'normal' };
  const svg = drawSvg(
    {
      textStyle: { color: INK, fontFamily: '-apple-system,Segoe UI,Helvetica,Arial,sans-serif' },
      title: [
        { text: about, left: 11, top: 5, textStyle: { ...textStyle, fontSize: 11 } },
        ...panels.map(({ title }, i) => ({
          ...{ text: title, left: left - 5, top: (tops[i] ?? 0) - 5 },
          textStyle: { ...textStyle, fontWeight: 600 },
        })),
      ],
      grid: panels.map(({ bars }, i) => ({
        ...{ left, right: RIGHT, top: (tops[i] ?? 0) + HEADING, height: bars.length * ROW },
      })),
      xAxis: panels.map((_, gridIndex) => ({
        ...{ type: 'value', gridIndex, show: false, min: 0, max: max ?? 'dataMax' },
      })),
      yAxis: panels.map(({ bars }, gridIndex) => {
        const strong = new Set(bars.filter(({ isStrong = false }) => isStrong).map(({ name }) => name));
        return {
          ...{ type: 'category', gridIndex, inverse: true, data: bars.map(({ name }) => name) },
          ...{ axisLine: { show: false }, axisTick: { show: false } },
          axisLabel: {
            formatter: (name: string) => (strong.has(name) ? `{own|${name}}` : name),
            ...{ color: INK, fontSize: 12, rich: { own: { color: INK, fontSize: 12, fontWeight: 600 } } },
          },
        };
      }),
      series: panels.map(({ bars }, i) => ({
        ...{ type: 'bar', xAxisIndex: i, yAxisIndex: i, barWidth: ROW - 7, silent: true },
        ...(line === undefined
          ? {}
          : {
              markLine: {
                ...{ silent: true, symbol: 'none', label: { show: false }, data: [{ xAxis: line }] },
                lineStyle: { color: INK, type: 'dashed' },
              },
            }),
        data: bars.map(({ value, text: formatter, colour: color }) => ({
          value,
          itemStyle: { color, borderRadius: 2 },
          label: { show: true, position: 'right', color: INK, fontSize: 12, formatter },
        })),
      })),
    },
    { width: WIDTH, height },
  );
  return `${svg.replace('<svg ', `<svg role="img" aria-label="${label}" `)}\n`;
}

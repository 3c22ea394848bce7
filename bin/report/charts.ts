import type { EChartsCoreOption } from 'echarts/core';
import { formatSize } from '../../lambda/size.ts';
import { formatCount } from '../output/output.ts';
import { totalCost } from '../output/prices.ts';
import { DESCRIPTOR_LIMIT } from './attention.ts';
import type { Report } from './report.ts';
import { drawSvg } from './svg.ts';

/** A picture with its title, and what it shows as a sentence for those who do not see it. */
export interface Chart {
  title: string;
  summary: string;
  /** The markup of an SVG whose colours are CSS variables. */
  svg: string;
}

/**
 * Colours that stand for variables of the page's style, so that one picture is right in the dark, in the light and on
 * paper. ECharts wants colours that it can compute with.
 */
const VARIABLES = {
  '#000001': 'var(--ink)',
  '#000002': 'var(--faint)',
  '#000003': 'var(--one)',
  '#000004': 'var(--two)',
  '#000005': 'var(--limit)',
} as const;
const [INK, FAINT, ONE, TWO, LIMIT] = Object.keys(VARIABLES) as [string, string, string, string, string];

const SIZE = { width: 960, height: 240 };
/** Points on an axis of time, at most: more hours are drawn as days. */
const MOST_POINTS = 800;

/** A line or bar over time; undefined where there is no value. */
interface Series {
  name: string;
  values: (number | undefined)[];
  /** A dashed line at a limit. */
  limit?: number | undefined;
}

/** Draws the charts of a report; those of which there are no values are left out. */
export function chartsOf(report: Report): Chart[] {
  const time = timeOf(report);
  const { hours } = report;
  const sum = (value: (hour: Report['hours'][number]) => number | undefined) =>
    time.fold(hours.map(value), (a, b) => a + b);
  const most = (value: (hour: Report['hours'][number]) => number | undefined) =>
    time.fold(hours.map(value), Math.max);
  const limitOfMemory = hours.reduce((most, { run }) => Math.max(most, run?.memoryLimitBytes ?? 0), 0);
  const objects = sum(({ committed }) => committed?.objects);
  const outputs = sum(({ committed }) => committed?.outputs);
  const overTime = (title: string, series: Series[], format: (value: number) => string): Chart[] =>
    series.every(({ values }) => values.every((value) => value === undefined))
      ? []
      : [draw(`${title} by ${time.unit}`, time.labels, series, { format, bars: false })];
  return [
    ...overTime(
      'Bytes: sources and outputs',
      [
        { name: 'sources', values: sum(({ committed }) => committed?.bytes) },
        { name: 'outputs', values: sum(({ committed }) => committed?.outputBytes) },
      ],
      formatSize,
    ),
    ...overTime('Objects rolled up', [{ name: 'sources', values: objects }], formatCount),
    ...overTime('Outputs', [{ name: 'outputs', values: outputs }], formatCount),
    ...overTime(
      'Sources for one output',
      [{ name: 'ratio', values: objects.map((count, i) => ratio(count, outputs[i])) }],
      formatCount,
    ),
    ...sizesOf(report),
    ...overTime(
      'Longest run',
      [{ name: 'seconds', values: most(({ run }) => run?.durationSeconds) }],
      (value) => `${formatCount(value)} s`,
    ),
    ...overTime(
      'Peak of file descriptors and connections',
      [
        {
          name: 'file descriptors',
          values: most(({ run }) => run?.peak.fileDescriptors),
          limit: DESCRIPTOR_LIMIT,
        },
        { name: 'connections', values: most(({ run }) => run?.peak.connections) },
      ],
      formatCount,
    ),
    ...overTime(
      'Peak of memory',
      [
        {
          name: 'resident memory',
          values: most(({ run }) => run?.peak.rssBytes),
          limit: limitOfMemory === 0 ? undefined : limitOfMemory,
        },
        { name: 'outputs in flight', values: most(({ run }) => run?.peak.inFlightBytes) },
      ],
      formatSize,
    ),
    ...overTime(
      'S3 requests of runs',
      [
        {
          name: 'requests',
          values: sum(({ run }) => {
            if (run === undefined) return undefined;
            const { list, get, put, copy, delete: deletes } = run.requests;
            return list + get + put + copy + deletes;
          }),
        },
      ],
      formatCount,
    ),
    ...overTime(
      'Dollars for S3 requests of runs',
      [{ name: 'dollars', values: sum(({ run }) => run && totalCost(run.requests)) }],
      (value) => `$${Number(value.toPrecision(3))}`,
    ),
  ];
}

function ratio(objects: number | undefined, outputs: number | undefined): number | undefined {
  return objects === undefined || outputs === undefined || outputs === 0
    ? undefined
    : Math.round(objects / outputs);
}

/** The axis of time: hours, or days where they are many. Streams of one hour are folded into one point. */
function timeOf({ hours }: Report) {
  const all = [...new Set(hours.map(({ hour }) => hour))];
  const unit = all.length > MOST_POINTS ? 'day' : 'hour';
  const labelOf = (hour: string): string => (unit === 'day' ? hour.slice(0, 10) : hour);
  const labels = [...new Set(all.map(labelOf))];
  const at = new Map(labels.map((label, i) => [label, i]));
  const fold = (
    values: (number | undefined)[],
    join: (a: number, b: number) => number,
  ): (number | undefined)[] => {
    const points = Array.from<number | undefined>({ length: labels.length });
    for (const [i, value] of values.entries()) {
      const point = at.get(labelOf(hours[i]?.hour ?? ''));
      if (value === undefined || point === undefined) continue;
      const before = points[point];
      points[point] = before === undefined ? value : join(before, value);
    }
    return points;
  };
  return { unit, labels, fold };
}

/** How many objects there are of each size: many small ones before, few large ones after. */
function sizesOf({ sizes: { sources, outputs } }: Report): Chart[] {
  const powers = Array.from({ length: Math.max(sources.length, outputs.length) }, (_, power) => power);
  const first = powers.find((power) => (sources[power] ?? 0) + (outputs[power] ?? 0) > 0);
  if (first === undefined) return [];
  const shown = powers.slice(first);
  const series = [
    { name: 'sources', values: shown.map((power) => sources[power] ?? 0) },
    { name: 'outputs', values: shown.map((power) => outputs[power] ?? 0) },
  ];
  const labels = shown.map((power) => `from ${formatSize(2 ** power)}`);
  return [draw('Sizes before and after, in objects', labels, series, { format: formatCount, bars: true })];
}

function draw(
  title: string,
  labels: string[],
  series: Series[],
  { format, bars }: { format: (value: number) => string; bars: boolean },
): Chart {
  const option: EChartsCoreOption = {
    color: [ONE, TWO],
    textStyle: { color: INK, fontFamily: 'system-ui, sans-serif' },
    grid: { left: 80, right: 70, top: 30, bottom: 30 },
    ...(series.length < 2 ? {} : { legend: { top: 0, right: 70, textStyle: { color: INK } } }),
    xAxis: {
      type: 'category',
      data: labels,
      axisLine: { lineStyle: { color: INK } },
      axisLabel: { color: INK, hideOverlap: true },
    },
    yAxis: {
      type: 'value',
      axisLabel: { color: INK, formatter: format },
      splitLine: { lineStyle: { color: FAINT } },
    },
    series: series.map(({ name, values, limit }) => ({
      name,
      type: bars || labels.length === 1 ? 'bar' : 'line',
      silent: true,
      symbol: 'circle',
      symbolSize: 3,
      showSymbol: labels.length <= 100,
      data: values.map((value) => value ?? '-'),
      ...(limit === undefined
        ? {}
        : {
            markLine: {
              silent: true,
              symbol: 'none',
              data: [{ yAxis: limit }],
              lineStyle: { color: LIMIT, type: 'dashed' },
              label: { color: LIMIT, formatter: `limit ${format(limit)}` },
            },
          }),
    })),
  };
  const limits = series.flatMap(({ limit }) => (limit === undefined ? [] : [limit * 1.05]));
  const highest = Math.max(...series.flatMap(({ values }) => values.map((value) => value ?? 0)), ...limits);
  if (limits.length > 0) Object.assign(option['yAxis'] as object, { max: highest });
  const svg = withVariables(drawSvg(option, SIZE));
  return { title, summary: summaryOf(title, series, format), svg };
}

/** `Outputs by hour. outputs: from 3 to 12.` */
function summaryOf(title: string, series: Series[], format: (value: number) => string): string {
  const ranges = series.flatMap(({ name, values, limit }) => {
    const known = values.filter((value) => value !== undefined);
    if (known.length === 0) return [];
    const [least, most] = [known.reduce((a, b) => Math.min(a, b)), known.reduce((a, b) => Math.max(a, b))];
    const of = limit === undefined ? '' : `, of a limit of ${format(limit)}`;
    return [`${name}: from ${format(least)} to ${format(most)}${of}.`];
  });
  return `${title}. ${ranges.join(' ')}`;
}

function withVariables(svg: string): string {
  return Object.entries(VARIABLES).reduce(
    (text, [colour, variable]) => text.replaceAll(colour, variable),
    svg,
  );
}

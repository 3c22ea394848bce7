import { VARIANTS, type VariantName } from '../variants/variant.ts';
import { OTHER, OWN, barPanels } from './bar-panels.ts';
import type { Comparison } from './comparison.ts';
import type { Summary } from './summary.ts';
import { formatNumber } from './table.ts';

interface Figure {
  title: string;
  value: (summary: Summary) => number;
  format: (value: number) => string;
}

const FIGURES: Figure[] = [
  { title: 'CPU, seconds a GB', value: (summary) => summary.cpuSecondsPerGb, format: formatNumber },
  {
    title: 'Peak memory, MB',
    value: (summary) => summary.rssBytes / 1e6,
    format: (megabytes) => Math.round(megabytes).toLocaleString('en-US'),
  },
  { title: 'Time, seconds', value: (summary) => summary.wallSeconds, format: formatNumber },
];

const COLOURS: Record<VariantName, string> = {
  floor: OTHER,
  https: '#0969da',
  simple: '#bf8700',
  's3-log-rollup': OWN,
};

/** One panel a figure, one bar a variant, each panel in its own scale from 0. */
export function comparisonChart({ variants, dataSet, machine, rounds }: Comparison): string {
  const about = `${dataSet.objects.toLocaleString('en-US')} objects, ${formatNumber(dataSet.bytes / 1e9)} GB over TLS on loopback; medians of ${rounds}; Node ${machine.node}, ${machine.cores} cores, ${machine.date}`;
  const panels = FIGURES.map(({ title, value, format }) => ({
    title,
    bars: VARIANTS.map((name) => {
      const figure = value(variants[name]);
      const isStrong = name === 's3-log-rollup';
      return { name, value: figure, text: format(figure), colour: COLOURS[name], isStrong };
    }),
  }));
  const label = 'CPU, memory and time of s3-log-rollup, compared';
  return barPanels(panels, { about, label, left: 116 });
}

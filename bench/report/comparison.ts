import type { Settings } from '../../lambda/settings/table.ts';
import type { machine } from '../options.ts';
import type { DataSetOptions } from '../server/data-set.ts';
import { INSTALLED } from '../variants/installed.ts';
import { VARIANTS, type VariantName } from '../variants/variant.ts';
import type { Summary } from './summary.ts';
import { formatMegabytes, formatNumber, formatTable } from './table.ts';

export interface Comparison {
  machine: ReturnType<typeof machine>;
  dataSet: DataSetOptions & { bytes: number };
  rounds: number;
  settings: Settings;
  variants: Record<VariantName, Summary>;
  /** Whole processes: the command line as it is installed, and programs in Go where there is a Go toolchain. */
  programs: Record<string, Summary>;
  /** Figures of s3-log-rollup divided by those of the others. */
  ratios: Record<Other, Ratios>;
}

/** What s3-log-rollup is compared with. */
type Other = Exclude<VariantName, 's3-log-rollup'>;

export interface Ratios {
  cpu: number;
  wall: number;
  rss: number;
}

export function ratios(variants: Comparison['variants']): Comparison['ratios'] {
  const own = variants['s3-log-rollup'];
  const against = (other: Summary): Ratios => ({
    cpu: own.cpuSecondsPerGb / other.cpuSecondsPerGb,
    wall: own.wallSeconds / other.wallSeconds,
    rss: own.rssBytes / other.rssBytes,
  });
  return {
    floor: against(variants.floor),
    https: against(variants.https),
    simple: against(variants.simple),
  };
}

const HEAD = [
  '',
  'CPU s/GB',
  'CPU s/1,000 objects',
  'whole process, CPU s/GB',
  'time, s',
  'peak RSS, MB',
  'descriptors',
  'connections',
  'requests',
];

export function formatComparison(comparison: Comparison): string {
  const { dataSet, rounds, settings, variants, machine } = comparison;
  const gigabytes = formatNumber(dataSet.bytes / 1e9);
  const rows = VARIANTS.map((name) => [name, ...cells(variants[name])]);
  for (const [name, summary] of Object.entries(comparison.programs))
    rows.push([name, '', '', ...cells(summary).slice(2)]);
  for (const other of ['floor', 'https', 'simple'] as const) {
    const { cpu, wall, rss } = comparison.ratios[other];
    const [cpuRatio, wallRatio, rssRatio] = [cpu, wall, rss].map(formatNumber) as [string, string, string];
    rows.push([`against ${other}`, cpuRatio, cpuRatio, '', wallRatio, rssRatio, '', '', '']);
  }
  rows.push(...processRatios(comparison));
  return [
    `${dataSet.objects.toLocaleString('en-US')} objects, ${gigabytes} GB, ${dataSet.checksum}; concurrency ${settings.concurrency}, ` +
      `${settings.outputsInFlight} outputs in flight; medians of ${rounds}; ` +
      `Node ${machine.node}, ${machine.cores} cores, ${machine.date}`,
    '',
    formatTable(HEAD, rows),
    '',
    serverLine(variants),
  ].join('\n');
}

/** The installed command line against the others, by the CPU time and the memory of whole processes. */
function processRatios({ variants, programs }: Comparison): string[][] {
  const { [INSTALLED]: own, ...others } = programs;
  if (own?.processCpuSecondsPerGb === undefined) return [];
  const { processCpuSecondsPerGb: cpu, rssBytes } = own;
  return Object.entries({ floor: variants.floor, ...others }).map(([name, other]) => {
    const ratio = cpu / (other.processCpuSecondsPerGb ?? NaN);
    const memory = formatNumber(rssBytes / other.rssBytes);
    return [`${INSTALLED}, against ${name}`, '', '', formatNumber(ratio), '', memory, '', '', ''];
  });
}

function cells(summary: Summary): string[] {
  return [
    formatNumber(summary.cpuSecondsPerGb),
    formatNumber(summary.cpuSecondsPer1000Objects),
    summary.processCpuSecondsPerGb === undefined ? '' : formatNumber(summary.processCpuSecondsPerGb),
    formatNumber(summary.wallSeconds),
    formatMegabytes(summary.rssBytes),
    String(summary.fileDescriptors ?? ''),
    String(summary.connections),
    summary.requests.toLocaleString('en-US'),
  ];
}

/** The server's load, and a warning if the clients waited for its one thread. */
function serverLine(variants: Comparison['variants']): string {
  const shares = VARIANTS.map((name) => {
    const { serverLoad, serverCpuSecondsPerGb } = variants[name];
    return `${name} ${formatNumber(serverCpuSecondsPerGb)} (${Math.round(serverLoad * 100)} % of the time)`;
  });
  const waited = VARIANTS.filter((name) => variants[name].serverLoad > 0.9);
  const verdict =
    waited.length === 0
      ? 'It was never what the others waited for.'
      : `Times of ${waited.join(' and ')} are the server's; CPU and memory are their own.`;
  return `The server took, in CPU s/GB: ${shares.join(', ')}. ${verdict}`;
}

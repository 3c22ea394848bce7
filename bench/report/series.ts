import type { Summary } from './summary.ts';
import { formatMegabytes, formatNumber, formatTable } from './table.ts';

export interface SeriesPoint extends Summary {
  objects: number;
  bytes: number;
  concurrency: number;
}

export interface Series {
  name: string;
  points: SeriesPoint[];
}

const HEAD = [
  'objects',
  'GB',
  'concurrency',
  'time, s',
  'CPU s/GB',
  'CPU ms/object',
  'peak RSS, MB',
  'connections',
  'descriptors',
  'above',
];

export function formatSeries({ name, points }: Series): string {
  const rows = points.map((point) => [
    point.objects.toLocaleString('en-US'),
    formatNumber(point.bytes / 1e9),
    String(point.concurrency),
    formatNumber(point.wallSeconds),
    formatNumber(point.cpuSecondsPerGb),
    formatNumber(point.cpuSecondsPer1000Objects),
    formatMegabytes(point.rssBytes),
    String(point.connections),
    String(point.fileDescriptors ?? ''),
    point.fileDescriptors === undefined ? '' : String(point.fileDescriptors - point.connections),
  ]);
  return [`${name}:`, '', formatTable(HEAD, rows), '', growth(points)].join('\n');
}

/** Each point divided by the one before it: a linear cost gives 1.00 everywhere. */
function growth(points: SeriesPoint[]): string {
  const steps = points.slice(1).map((point, i) => {
    const before = points[i] ?? point;
    const against = (figure: (summary: SeriesPoint) => number): string =>
      formatNumber(figure(point) / figure(before));
    const what =
      point.objects === before.objects
        ? `concurrency ${before.concurrency} to ${point.concurrency}`
        : `${before.objects.toLocaleString('en-US')} to ${point.objects.toLocaleString('en-US')}`;
    return [
      what,
      against(({ wallSeconds, objects }) => wallSeconds / objects),
      against(({ cpuSecondsPer1000Objects }) => cpuSecondsPer1000Objects),
      against(({ rssBytes }) => rssBytes),
      against(({ fileDescriptors }) => fileDescriptors ?? NaN),
    ];
  });
  return formatTable(['growth', 'time/object', 'CPU/object', 'peak RSS', 'descriptors'], steps);
}

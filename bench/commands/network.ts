import { writeFileSync } from 'node:fs';
import { DEFAULT_SETTINGS } from '../../lambda/settings/settings.ts';
import type { Settings } from '../../lambda/settings/table.ts';
import { MiB, formatSize } from '../../lambda/size.ts';
import { measure } from '../measure.ts';
import { LAMBDA, type Shape } from '../network/shape.ts';
import { dataSetOf, machine, measuringCommand } from '../options.ts';
import { type NetworkBar, networkChart } from '../report/network-chart.ts';
import { say } from '../report/say.ts';
import { formatMegabytes, formatNumber, formatTable } from '../report/table.ts';
import { startRemoteServer } from '../server/remote-server.ts';

const EXAMPLES = `
Examples:
  $ npm run --silent bench -- network
  $ npm run --silent bench -- network --objects 500 --series outputs

The network that it imitates is in bench/network/shape.ts.`;

const { outputsInFlight, concurrency, partSize } = DEFAULT_SETTINGS;
type Point = Pick<Settings, 'outputsInFlight' | 'concurrency' | 'partSize'>;
const USUAL: Point = { outputsInFlight, concurrency, partSize };
const FUNCTION: Point = { ...USUAL, outputsInFlight: 6 };

interface Series {
  points: Point[];
  shape?: Partial<Shape>;
}

/** Series of measurements, each along one setting or one property of the network. */
const SERIES: Record<string, Series[]> = {
  outputs: [{ points: [1, 2, 3, 4, 6, 8].map((count) => ({ ...USUAL, outputsInFlight: count })) }],
  concurrency: [{ points: [16, 32, 64, 128, 250].map((most) => ({ ...FUNCTION, concurrency: most })) }],
  parts: [{ points: [8, 16, 32, 64].map((size) => ({ ...FUNCTION, partSize: size * MiB })) }],
  networks: [
    { points: [USUAL, FUNCTION], shape: { bytesPerSecond: 150e6 } },
    { points: [USUAL, FUNCTION], shape: { bytesPerConnection: 20e6 } },
    { points: [USUAL, FUNCTION], shape: { get: { median: 60, p99: 400 } } },
  ],
};

const PANELS: Record<string, { title: string; label: (point: Point) => string }> = {
  outputs: { title: 'Outputs in flight', label: (point) => String(point.outputsInFlight) },
  concurrency: { title: 'Concurrency', label: (point) => String(point.concurrency) },
  parts: { title: 'Part size', label: (point) => formatSize(point.partSize) },
};

function barOf(result: Point & { name: string; wallSeconds: number }): NetworkBar {
  const { title, label } = PANELS[result.name] ?? { title: result.name, label: () => '' };
  const isDefault = (Object.keys(FUNCTION) as (keyof Point)[]).every(
    (name) => result[name] === FUNCTION[name],
  );
  return { panel: title, label: label(result), seconds: result.wallSeconds, isDefault };
}

export const network = measuringCommand(
  'network',
  's3-log-rollup behind the network of a function: how long it takes, against bytes divided by bandwidth',
  3000,
)
  .option('--series <name...>', `only these of ${Object.keys(SERIES).join(', ')}`, Object.keys(SERIES))
  .option('--svg <file>', 'write a chart')
  .addHelpText('after', EXAMPLES)
  .action(async (options) => {
    const dataSet = dataSetOf(options);
    const results = [];
    for (const name of options.series)
      for (const { points, shape } of SERIES[name] ?? []) {
        const shaped = { ...LAMBDA, ...shape };
        const server = await startRemoteServer(dataSet, shaped);
        try {
          for (const point of points) {
            const run = await measure(server, 's3-log-rollup', { ...DEFAULT_SETTINGS, ...point }, 'lambda');
            const least = run.bytes / shaped.bytesPerSecond;
            results.push({ name, ...point, shape, ...run, least, ratio: run.wallSeconds / least });
            say(
              `${name}: ${run.wallSeconds.toFixed(1)} s, ${(run.wallSeconds / least).toFixed(2)} of the least`,
            );
          }
        } finally {
          await server.close();
        }
      }
    if (options.svg !== undefined) {
      const bars = results.filter(({ shape }) => shape === undefined).map((each) => barOf(each));
      const bytes = results[0]?.bytes ?? 0;
      const least = results[0]?.least ?? 0;
      const about = `${dataSet.objects.toLocaleString('en-US')} objects, ${formatNumber(bytes / 1e9)} GB at ${formatMegabytes(LAMBDA.bytesPerSecond)} MB/s each way; the dashed line is bytes / bandwidth; ${machine().date}`;
      writeFileSync(options.svg, networkChart(bars, { about, least }));
    }
    const rows = results.map((each) => [
      each.shape === undefined ? each.name : JSON.stringify(each.shape),
      String(each.outputsInFlight),
      String(each.concurrency),
      formatSize(each.partSize),
      formatNumber(each.wallSeconds),
      formatNumber(each.ratio),
      String(each.requests),
      formatMegabytes(each.rssBytes),
    ]);
    const head = [
      'series',
      'outputs',
      'concurrency',
      'part',
      'time, s',
      'of bytes / bandwidth',
      'requests',
      'RSS, MB',
    ];
    const text =
      options.json === true
        ? JSON.stringify({ machine: machine(), dataSet, network: LAMBDA, results })
        : formatTable(head, rows);
    process.stdout.write(`${text}\n`);
  });

import { Command, InvalidArgumentError, Option } from '@commander-js/extra-typings';
import { DEFAULT_SETTINGS } from '../../lambda/settings/settings.ts';
import { type Measured, measure } from '../measure.ts';
import { SIZES, machine, parseCount } from '../options.ts';
import { say } from '../report/say.ts';
import { formatSeries } from '../report/series.ts';
import { summarize } from '../report/summary.ts';
import { startRemoteServer } from '../server/remote-server.ts';

/** Sizes in bytes of objects that an idle service writes. */
const TINY_SIZES = { minSize: 1000, maxSize: 2000 } as const;
const { concurrency } = DEFAULT_SETTINGS;

interface Point {
  objects: number;
  minSize: number;
  maxSize: number;
  concurrency: number;
}

/** Series of measurements, each along one of these quantities. */
const SERIES = {
  mission: [1000, 3000, 10_000, 30_000].map((objects): Point => ({ objects, ...SIZES, concurrency })),
  tiny: [30_000, 100_000, 300_000].map((objects): Point => ({ objects, ...TINY_SIZES, concurrency })),
  connections: [16, 64, 128, 250].map((most): Point => ({ objects: 3000, ...SIZES, concurrency: most })),
} as const;
const NAMES = Object.keys(SERIES) as (keyof typeof SERIES)[];

const EXAMPLES = `
Examples:
  $ npm run --silent bench -- scale
  $ npm run --silent bench -- scale --series tiny --fraction 0.1`;

export const scale = new Command('scale')
  .description('s3-log-rollup alone: what more objects take, and more connections')
  .addOption(new Option('--series <name...>', 'only these').choices(NAMES).default(NAMES))
  .option('--rounds <number>', 'runs of each; medians are shown', parseCount, 1)
  .option('--fraction <number>', 'take this share of all counts of objects', parseFraction, 1)
  .option('--json', 'the figures as one JSON object')
  .addHelpText('after', EXAMPLES)
  .action(async ({ series: names, rounds, fraction, json }) => {
    const series = [];
    for (const name of names) {
      const points = [];
      for (const { concurrency, ...sizes } of SERIES[name]) {
        const objects = Math.ceil(sizes.objects * fraction);
        const runs = await measureAt({ ...sizes, objects, concurrency }, rounds);
        const bytes = runs[0]?.bytes ?? 0;
        points.push({ objects, bytes, concurrency, ...summarize(runs) });
        say(`${name}: ${objects.toLocaleString('en-US')} objects, concurrency ${concurrency}`);
      }
      series.push({ name, points });
    }
    const result = { machine: machine(), rounds, series };
    const text = json === true ? JSON.stringify(result) : series.map(formatSeries).join('\n\n');
    process.stdout.write(`${text}\n`);
  });

async function measureAt({ concurrency, ...dataSet }: Point, rounds: number): Promise<Measured[]> {
  const server = await startRemoteServer({ ...dataSet, checksum: 'crc32' });
  const runs: Measured[] = [];
  try {
    for (let round = 1; round <= rounds; round++) {
      runs.push(await measure(server, 's3-log-rollup', { ...DEFAULT_SETTINGS, concurrency }));
    }
    return runs;
  } finally {
    await server.close();
  }
}

function parseFraction(text: string): number {
  const fraction = Number(text);
  if (fraction > 0 && fraction <= 1) return fraction;
  throw new InvalidArgumentError('must be a number above 0, 1 at most.');
}

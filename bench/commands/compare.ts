import { writeFileSync } from 'node:fs';
import { Option } from '@commander-js/extra-typings';
import { type Measured, measure } from '../measure.ts';
import { STARTS } from '../process/node-flags.ts';
import { dataSetOf, machine, measuringCommand, parseCount, settingsOf } from '../options.ts';
import { say } from '../report/say.ts';
import { comparisonChart } from '../report/comparison-chart.ts';
import { type Comparison, formatComparison, ratios } from '../report/comparison.ts';
import { summarize } from '../report/summary.ts';
import { startRemoteServer } from '../server/remote-server.ts';
import { goPrograms } from '../variants/go.ts';
import { installedProgram } from '../variants/installed.ts';
import { measureProgram } from '../variants/program.ts';
import { VARIANTS, type VariantName } from '../variants/variant.ts';

const EXAMPLES = `
Examples:
  $ npm run --silent bench
  $ npm run --silent bench -- --objects 300 --rounds 3 --json
  $ npm run --silent bench -- --concurrency 250 --checksum crc64
  $ npm run --silent bench -- --start lambda`;

export const compare = measuringCommand(
  'compare',
  's3-log-rollup against the least that Node needs and against the obvious program',
  3000,
)
  .option('--rounds <number>', 'runs of each; medians are shown', parseCount, 5)
  .addOption(
    new Option('--start <how>', 'each as its users do, all alike with our Node flags, or as Lambda does')
      .choices(STARTS)
      .default('own' as const),
  )
  .option('--no-installed', 'leave out the command line as it is installed, which is built for it')
  .option('--no-go', 'leave out the programs in Go, which are built where there is a Go toolchain')
  .option('--svg <file>', 'write a chart')
  .addHelpText('after', EXAMPLES)
  .action(async (options) => {
    const settings = settingsOf(options);
    const dataSet = dataSetOf(options);
    const runs = Object.fromEntries(VARIANTS.map((name) => [name, [] as Measured[]])) as Record<
      VariantName,
      Measured[]
    >;
    const server = await startRemoteServer(dataSet);
    const programRuns = new Map<string, Measured[]>();
    try {
      const programs = [
        ...(options.installed ? [installedProgram(settings)] : []),
        ...(options.go ? goPrograms(server, settings) : []),
      ];
      for (const { name } of programs) programRuns.set(name, []);
      for (let round = 1; round <= options.rounds; round++) {
        for (const name of VARIANTS) {
          const run = await measure(server, name, settings, options.start);
          runs[name].push(run);
          say(`round ${round} of ${options.rounds}, ${name}: ${run.cpuSeconds.toFixed(2)} CPU s`);
        }
        for (const program of programs) {
          const run = await measureProgram(server, program);
          programRuns.get(program.name)?.push(run);
          say(`round ${round} of ${options.rounds}, ${program.name}: ${run.cpuSeconds.toFixed(2)} CPU s`);
        }
      }
    } finally {
      await server.close();
    }
    const summaries = Object.fromEntries(
      VARIANTS.map((name) => [name, summarize(runs[name])]),
    ) as Comparison['variants'];
    const comparison: Comparison = {
      machine: machine(),
      dataSet: { ...dataSet, bytes: server.raw.bytes },
      rounds: options.rounds,
      settings,
      variants: summaries,
      programs: Object.fromEntries([...programRuns].map(([name, done]) => [name, summarize(done)])),
      ratios: ratios(summaries),
    };
    if (options.svg !== undefined) writeFileSync(options.svg, comparisonChart(comparison));
    process.stdout.write(
      options.json === true ? `${JSON.stringify(comparison)}\n` : `${formatComparison(comparison)}\n`,
    );
  });

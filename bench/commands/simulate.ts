import { writeFileSync } from 'node:fs';
import { Command } from '@commander-js/extra-typings';
import { parseCount } from '../options.ts';
import { simulationChart } from '../report/simulation-chart.ts';
import { formatSimulation } from '../report/simulation.ts';
import { FIGURES } from '../simulate/figures.ts';
import { createModel } from '../simulate/hour.ts';

const EXAMPLES = `
Example:
  $ npm run --silent bench -- simulate --svg docs/simulate.svg

What it is fed with is in bench/simulate/figures.ts.`;

export const simulate = new Command('simulate')
  .description('a model of the hour in Lambda: time and cost by memory and concurrency')
  .option('--seed <number>', 'of the sizes and the latencies', parseCount, 1)
  .option('--svg <file>', 'write a chart')
  .addHelpText('after', EXAMPLES)
  .action(({ seed, svg }) => {
    const model = createModel(FIGURES, seed);
    process.stdout.write(`${formatSimulation(model, seed)}\n`);
    if (svg !== undefined) writeFileSync(svg, simulationChart(model));
  });

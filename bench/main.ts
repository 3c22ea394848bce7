import { Command } from '@commander-js/extra-typings';
import { compare } from './commands/compare.ts';
import { hour } from './commands/hour.ts';
import { scale } from './commands/scale.ts';
import { network } from './commands/network.ts';

const program = new Command('bench')
  .description('What a rollup takes: measured on this machine, and on one with the network of a function.')
  .usage('[command] [options]')
  .addCommand(compare, { isDefault: true })
  .addCommand(scale)
  .addCommand(hour)
  .addCommand(network);

await program.parseAsync();

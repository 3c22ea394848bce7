import { Command } from '@commander-js/extra-typings';
import { compare } from './commands/compare.ts';
import { hour } from './commands/hour.ts';
import { scale } from './commands/scale.ts';
import { simulate } from './commands/simulate.ts';

const program = new Command('bench')
  .description('What a rollup takes: measured on this machine, and modelled for Lambda.')
  .usage('[command] [options]')
  .addCommand(compare, { isDefault: true })
  .addCommand(scale)
  .addCommand(hour)
  .addCommand(simulate);

await program.parseAsync();

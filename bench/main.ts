import { Command } from '@commander-js/extra-typings';
import { compare } from './commands/compare.ts';

const program = new Command('bench')
  .description('What a rollup takes: measured on this machine, and modelled for Lambda.')
  .usage('[command] [options]')
  .addCommand(compare, { isDefault: true });

await program.parseAsync();

import { Argument, Command, type CommandUnknownOpts } from '@commander-js/extra-typings';
import { SHELLS } from '../completion/shells.ts';
import { completionTable } from '../completion/table.ts';

const EXAMPLES = `
Examples:
  $ s3-rollup completion bash \\
      > ~/.local/share/bash-completion/completions/s3-rollup
  $ s3-rollup completion zsh > "\${fpath[1]}/_s3-rollup"
  $ s3-rollup completion fish > ~/.config/fish/completions/s3-rollup.fish

Or for one session: source <(s3-rollup completion bash)`;

export const completion = new Command('completion')
  .description('completion of commands and flags for a shell')
  .addArgument(new Argument('<shell>', 'the shell').choices(['bash', 'zsh', 'fish'] as const))
  .addHelpText('after', EXAMPLES)
  .action((shell, _, command: CommandUnknownOpts) => {
    const { parent } = command;
    if (parent === null) return;
    process.stdout.write(SHELLS[shell](parent.name(), completionTable(parent.commands)));
  });

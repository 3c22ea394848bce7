import { Command, type CommandUnknownOpts } from '@commander-js/extra-typings';
import { exitCodeOf, formatFailure, isHelp } from './output/failure.ts';
import { surviveClosedPipes } from './output/output.ts';

const DESCRIPTION = 'Rolls an hour of small S3 log objects up into a few large ones.';

/** Runs the command that the arguments name. A failure is written to stderr, and its exit code is returned. */
export async function runProgram(
  commands: CommandUnknownOpts[],
  args: string[],
): Promise<number | undefined> {
  surviveClosedPipes();
  try {
    await createProgram(commands).parseAsync(args, { from: 'user' });
    return undefined;
  } catch (error) {
    if (isHelp(error)) return undefined;
    // Arguments that cannot be parsed may still hold --json.
    process.stderr.write(formatFailure(error, { json: args.includes('--json') }));
    return exitCodeOf(error);
  }
}

export function createProgram(commands: CommandUnknownOpts[]): Command {
  const program = new Command('s3-rollup')
    .description(DESCRIPTION)
    .usage('<command> [options]')
    .exitOverride()
    // Errors of commander are written by runProgram, like all others.
    .configureOutput({ outputError: () => undefined })
    // Leaves out "[options]", which every command has: with it the list would exceed 80 columns.
    .configureHelp({
      subcommandTerm: (command) =>
        [command.name(), ...command.registeredArguments.map((argument) => `<${argument.name()}>`)].join(' '),
    })
    .addHelpText(
      'after',
      '\nEvery command has examples in its help:\n  $ npm run --silent s3-rollup -- run --help',
    );
  for (const command of commands) program.addCommand(command.copyInheritedSettings(program));
  return program;
}

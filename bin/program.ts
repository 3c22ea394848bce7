import { Command, type CommandUnknownOpts } from '@commander-js/extra-typings';
import { VERSION } from '../lambda/version.ts';
import { exitCodeOf, formatFailure, isDebugging, isHelp } from './output/failure.ts';
import { surviveClosedPipes } from './output/output.ts';

const DESCRIPTION = 'Rolls an hour of small S3 log objects up into a few large ones.';

/** Runs the command that the arguments name. A failure is written to stderr, and its exit code is returned. */
export async function runProgram(
  commands: CommandUnknownOpts[],
  args: string[],
): Promise<number | undefined> {
  surviveClosedPipes();
  // Arguments that cannot be parsed may still hold --json.
  const json = args.includes('--json');
  const restore = json ? keepWarningsFromStderr() : undefined;
  try {
    await createProgram(commands).parseAsync(args, { from: 'user' });
    return undefined;
  } catch (error) {
    if (isHelp(error)) return undefined;
    process.stderr.write(formatFailure(error, { json }));
    return exitCodeOf(error);
  } finally {
    restore?.();
  }
}

/**
 * Drops warnings of Node and of the SDK, which are lines of text, unless `DEBUG` or `NODE_DEBUG` is set: with `--json` whoever
 * reads stderr expects one JSON object. Returns a function that undoes it. Node prints warnings by a listener of its own.
 */
function keepWarningsFromStderr(): () => void {
  if (isDebugging()) return () => undefined;
  const { warn } = console;
  const listeners = process.listeners('warning');
  const drop = (): void => undefined;
  process.removeAllListeners('warning');
  process.on('warning', drop);
  console.warn = drop;
  return () => {
    console.warn = warn;
    process.off('warning', drop);
    for (const listener of listeners) process.on('warning', listener);
  };
}

export function createProgram(commands: CommandUnknownOpts[]): Command {
  const program = new Command('s3-rollup')
    .description(DESCRIPTION)
    .usage('<command> [options]')
    .version(VERSION)
    .helpCommand(false)
    .exitOverride()
    // Errors of commander are written by runProgram, like all others.
    .configureOutput({ outputError: () => undefined })
    // Leaves out "[options]", which every command has: with it the list would exceed 80 columns.
    .configureHelp({
      // The longest options leave less than the 40 columns from which commander wraps by itself.
      minWidthToWrap: 20,
      subcommandTerm: (command) =>
        [command.name(), ...command.registeredArguments.map((argument) => `<${argument.name()}>`)].join(' '),
    })
    .addHelpText('after', '\nEvery command has examples in its help:\n  $ s3-rollup run --help');
  for (const command of [...commands, helpCommand(program)])
    program.addCommand(command.copyInheritedSettings(program));
  return program;
}

/** `help run` is `run --help`. A name that is no command is refused, where commander shows its help and ends well. */
function helpCommand(program: Command): CommandUnknownOpts {
  return (
    new Command('help')
      .description('help of a command')
      // Whatever else is typed: help is not refused for a flag.
      .argument('[command...]')
      .allowUnknownOption()
      .action(async (typed) => {
        const name = typed.find((word) => !word.startsWith('-'));
        if (name === undefined) program.help();
        const command = program.commands.find((known) => known.name() === name);
        // Parsed as a command, a name that is none is refused with those that it may be meant for.
        if (command === undefined) await program.parseAsync([name], { from: 'user' });
        else command.help();
      })
  );
}

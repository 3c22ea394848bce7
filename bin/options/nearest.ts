import { Command, CommanderError, Option } from 'commander';

/** The name among these that was probably meant, as commander tells it of options. */
export function nearestOf(typed: string, names: readonly string[]): string | undefined {
  const command = new Command().exitOverride().configureOutput({ outputError: () => undefined });
  for (const name of names) command.addOption(new Option(`--${name}`));
  try {
    command.parse([`--${typed}`], { from: 'user' });
    return undefined;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return /Did you mean (?:one of )?--(\w+)/.exec(error.message)?.[1];
  }
}

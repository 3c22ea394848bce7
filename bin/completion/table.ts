import type { CommandUnknownOpts } from '@commander-js/extra-typings';
import { ROWS } from '../../lambda/settings/settings.ts';

/** A flag of a command, as completion needs it. */
export interface Flag {
  /** With its dashes: `--codec`. */
  long: string;
  /** Such as `-h`; undefined for most. */
  short: string | undefined;
  description: string;
  /** `none` for a switch; the words that it may be; or a file, or any text. */
  value: 'none' | 'file' | 'text' | readonly string[];
}

/** A command with its flags. */
export interface CompletedCommand {
  name: string;
  description: string;
  flags: Flag[];
}

/** The commands of the program, and their flags that help shows. */
export function completionTable(commands: readonly CommandUnknownOpts[]): CompletedCommand[] {
  return commands.map((command) => ({
    name: command.name(),
    description: command.description(),
    flags: command
      .createHelp()
      .visibleOptions(command)
      .map((option) => ({
        long: option.long ?? '',
        short: option.short,
        description: option.description,
        value: valueOf(option.attributeName(), option.flags),
      })),
  }));
}

function valueOf(name: string, flags: string): Flag['value'] {
  if (!flags.includes('<')) return 'none';
  if (/<(file|folder)>/.test(flags)) return 'file';
  const schema: object = ROWS.find((row) => row.name === name)?.schema ?? {};
  const options: unknown = Reflect.get(schema, 'options');
  const words = Array.isArray(options) ? options.filter((word) => typeof word === 'string') : [];
  return words.length === 0 ? 'text' : words;
}

import { type CommandUnknownOpts, Option } from '@commander-js/extra-typings';
import { ROWS, type RawSettings } from '../../lambda/settings/settings.ts';
import { type SettingName } from '../../lambda/settings/table.ts';
import { formatSize } from '../../lambda/size.ts';

type SettingRow = (typeof ROWS)[number];

const TYPED_ROWS = ROWS.filter(({ only }) => only !== 'stack');

/** What one text of a repeated flag came to, and how many were typed before it. */
interface Entry {
  at: number;
  entry: unknown;
}

/** A flag of a setting, as help and docs/command-line.md show it. */
export interface SettingFlag {
  setting: SettingName;
  heading: string;
  /** `--target-size <size>` */
  flags: string;
  description: string;
  default: string;
  /** `--target-size 64MiB` */
  example: string;
}

export const SETTING_FLAGS: SettingFlag[] = TYPED_ROWS.flatMap((row) => {
  const { name, heading, flags, value = '', example = '', description } = row;
  const one = { name: kebab(name), value, example, description };
  return (flags ?? [one]).map(({ name: flag, value, example, description }) => ({
    setting: name,
    heading,
    flags: `--${flag} ${value}`.trim(),
    description,
    default: defaultOf(row),
    example: `--${flag} ${example}`.trim(),
  }));
});

/** Gives a command a flag for every setting, or for those named, under the headings of their groups. */
export function addSettingOptions(command: CommandUnknownOpts, only?: readonly string[]): void {
  let typed = 0;
  for (const row of TYPED_ROWS.filter(({ name }) => only?.includes(name) ?? true)) {
    command.optionsGroup(row.heading);
    for (const told of SETTING_FLAGS.filter(({ setting }) => setting === row.name)) {
      const option = new Option(told.flags, describe(told));
      const repeated = row.flags?.find(({ name }) => name === option.name());
      if (repeated !== undefined) {
        option.argParser<Entry[]>((text, before: Entry[] | undefined) => [
          ...(before ?? []),
          { at: typed++, entry: repeated.entry(text) },
        ]);
      }
      command.addOption(option);
      // So that it can be typed against a settings file that turns it on.
      if (option.isBoolean()) command.addOption(new Option(`--no-${option.name()}`).hideHelp());
    }
  }
}

/** The settings among what was typed. */
export function typedSettings(options: Readonly<Record<string, unknown>>): RawSettings {
  const typed = TYPED_ROWS.map(({ name, flags }) => {
    if (flags === undefined) return [name, options[name]];
    const entries = flags.flatMap((flag) => (options[camel(flag.name)] ?? []) as Entry[]);
    const inOrder = entries.toSorted((a, b) => a.at - b.at).map(({ entry }) => entry);
    return [name, inOrder.length === 0 ? undefined : inOrder];
  });
  return Object.fromEntries(typed) as RawSettings;
}

/** The flag that a setting, or a part of it, was typed with: `targetSize` -> `--target-size`. */
export function flagOf(setting: SettingName, path: PropertyKey[] = []): string {
  const names = TYPED_ROWS.find(({ name }) => name === setting)?.flags?.map(({ name }) => name);
  const told = names?.find((name) => path.includes(name)) ?? names?.join(' or --') ?? kebab(setting);
  return `--${told}`;
}

function describe({ description, default: byDefault, example }: SettingFlag): string {
  const [, shown] = example.split(/ (.*)/);
  const notes = [
    ...(byDefault === '' ? [] : [`default: ${byDefault}`]),
    ...(shown === undefined ? [] : [`e.g. ${shown}`]),
  ];
  return notes.length === 0 ? description : `${description} (${notes.join('; ')})`;
}

/** Empty where there is none to speak of. */
function defaultOf({ value, default: byDefault, defaultText }: SettingRow): string {
  if (defaultText !== undefined) return defaultText;
  if (typeof byDefault === 'number') return value === '<size>' ? formatSize(byDefault) : String(byDefault);
  return typeof byDefault === 'string' ? byDefault : '';
}

/** `targetSize` -> `target-size`. */
function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function camel(flag: string): string {
  return flag.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

import { type CommandUnknownOpts, Option } from '@commander-js/extra-typings';
import { ROWS, type RawSettings } from '../../lambda/settings/settings.ts';
import { type SettingName } from '../../lambda/settings/table.ts';
import { formatSize } from '../../lambda/size.ts';

type SettingRow = (typeof ROWS)[number];

const TYPED_ROWS = ROWS.filter(({ only }) => only !== 'stack');

/** One value of a flag that may be repeated. */
interface Entry {
  /**
   * Number of repeated flags that were typed before this one: several flags can feed one setting, in the order typed.
   */
  at: number;
  entry: unknown;
}

/** A flag of a setting, as help and docs/command-line.md show it. */
export interface SettingFlag {
  setting: SettingName;
  heading: string;
  /** Such as `--target-size <size>`. */
  flags: string;
  description: string;
  default: string;
  /** Such as `--target-size 64MiB`. */
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

/** Adds a flag for every setting, or for those named in `only`, under the headings of their groups. */
export function addSettingOptions(command: CommandUnknownOpts, only?: readonly string[]): void {
  let typed = 0;
  for (const row of TYPED_ROWS.filter(({ name }) => only?.includes(name) ?? true)) {
    command.optionsGroup(row.heading);
    for (const flag of SETTING_FLAGS.filter(({ setting }) => setting === row.name)) {
      const option = new Option(flag.flags, describe(flag));
      const repeated = row.flags?.find(({ name }) => name === option.name());
      if (repeated !== undefined) {
        option.argParser<Entry[]>((text, before: Entry[] | undefined) => [
          ...(before ?? []),
          { at: typed++, entry: repeated.entry(text) },
        ]);
      }
      command.addOption(option);
      // Turns off a switch that the settings file turns on.
      if (option.isBoolean()) command.addOption(new Option(`--no-${option.name()}`).hideHelp());
    }
  }
}

/** The settings among the parsed options, by their names. */
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
  const flag = names?.find((name) => path.includes(name)) ?? names?.join(' or --') ?? kebab(setting);
  return `--${flag}`;
}

function describe({ description, default: byDefault, example }: SettingFlag): string {
  const [, shown] = example.split(/ (.*)/);
  const notes = [
    ...(byDefault === '' ? [] : [`default: ${byDefault}`]),
    ...(shown === undefined ? [] : [`e.g. ${shown}`]),
  ];
  return notes.length === 0 ? description : `${description} (${notes.join('; ')})`;
}

/** The default as help shows it; empty for a switch and for a setting without a default. */
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

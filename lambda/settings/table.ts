import type { z } from 'zod';
import { afterwards } from './afterwards.ts';
import { codec } from './codec.ts';
import { connection } from './connection.ts';
import { sides } from './endpoints.ts';
import { fanOut } from './fan-out.ts';
import { outputs } from './outputs.ts';
import { rollup } from './rollup.ts';
import type { ValueType } from './row.ts';
import { selection } from './selection.ts';

/**
 * Every setting. To add one, add a row to a group in this folder; a new group is added to this table. From the row derive:
 *
 * - `Settings`, which the engine reads, with its default and its check (`parseSettings`);
 * - the flag of `run` and `plan` (`partSize` -> `--part-size`), with its line of help (bin/options/setting-options.ts);
 * - the function's variable (`PART_SIZE`), the stack's context value (lib/config/engine.ts);
 * - with a line of its own, what the types of the package show (lambda/settings/input.ts);
 * - `s3-log-rollup.json` and its JSON schema, which test/lib/settings-schema.test.ts writes with `--update`;
 * - what the manifest says of how the rollup was made, where the row says `recorded`.
 *
 * Tests also ask for a line in the tables of settings in the documentation, and for a deployment in test/lib/synthesis.ts
 * that sets it. A condition between two settings is an entry of `RELATIONS`.
 */
export const SETTINGS = {
  ...rollup,
  ...selection,
  ...codec,
  ...outputs,
  ...sides,
  ...connection,
  ...afterwards,
  ...fanOut,
};

export type Table = typeof SETTINGS;

export type SettingName = keyof Table;

/** The type of a row's value; with undefined for a row without a default. */
export type Value<Given> =
  Given extends ValueType<infer Schema>
    ? z.output<Schema> | (Given extends { default: undefined } ? undefined : never)
    : never;

/** Every setting with its value. Sizes are in bytes. */
export type Settings = { -readonly [Name in SettingName]: Value<Table[Name]> };

/** Name of a setting that the function and its stack have. */
export type StackSettingName = {
  [Name in SettingName]: Table[Name] extends { only: 'command line' } ? never : Name;
}[SettingName];

/** The value of a setting as the settings file and properties may give it: a size as a number or as `32MiB`. */
export type SettingInput<Name extends SettingName> = z.input<Table[Name]['schema']>;

/** A condition between settings. It is checked if each of them is sound by itself. */
export interface Relation {
  /** The settings that it involves; a problem is reported for the first. */
  of: readonly [SettingName, ...SettingName[]];
  /** Returns the problem, beginning with `must` or a verb; undefined if there is none. */
  problem: (settings: Settings) => string | undefined;
}

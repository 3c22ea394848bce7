import type { z } from 'zod';
import { afterwards } from './afterwards.ts';
import { codec } from './codec.ts';
import { sides } from './endpoints.ts';
import { fanOut } from './fan-out.ts';
import { outputs } from './outputs.ts';
import { rollup } from './rollup.ts';
import type { ValueType } from './row.ts';
import { selection } from './selection.ts';

/**
 * Every setting that there is. To add one, add a row to a group under settings/, and a new group to this table. From
 * the row derive:
 *
 * - `Settings`, which the engine reads, with its default and its check (`parseSettings`);
 * - the flag of `run` and `plan` (`partSize` -> `--part-size`), with its line of help (bin/options/setting-options.ts);
 * - the function's variable (`PART_SIZE`), the stack's context value and `EngineProps` (lib/config/engine.ts);
 * - `s3-log-rollup.json` and its JSON schema, which test/lib/settings-schema.test.ts writes with `--update`;
 * - what the manifest says of how the rollup was made, where the row says `recorded`.
 *
 * Besides, tests ask for a line in README.md's table and in docs/deploy.md's, and for a deployment in
 * test/lib/synthesis.ts that sets it. What two settings must not be together is one more entry of `RELATIONS`.
 */
export const SETTINGS = {
  ...{ ...rollup, ...selection, ...codec, ...outputs, ...sides, ...afterwards, ...fanOut },
};

export type Table = typeof SETTINGS;

export type SettingName = keyof Table;

export type Value<Given> =
  Given extends ValueType<infer Schema>
    ? z.output<Schema> | (Given extends { default: undefined } ? undefined : never)
    : never;

/** What can be tuned. Sizes are in bytes. */
export type Settings = { -readonly [Name in SettingName]: Value<Table[Name]> };

/** A setting that the function and its stack know. */
export type StackSettingName = {
  [Name in SettingName]: Table[Name] extends { only: 'command line' } ? never : Name;
}[SettingName];

/** As the settings file and properties may hold it. */
export type SettingInput<Name extends SettingName> = z.input<Table[Name]['schema']>;

/** A condition that involves more than one setting; it is checked where each of them is sound by itself. */
export interface Relation {
  /** The first one is to blame. */
  of: readonly [SettingName, ...SettingName[]];
  /** What is wrong, beginning with `must` or a verb; undefined where nothing is. */
  problem: (settings: Settings) => string | undefined;
}

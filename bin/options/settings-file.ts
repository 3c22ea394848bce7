import { readFileSync } from 'node:fs';
import { getSystemErrorMessage } from 'node:util';
import { Command, CommanderError, Option } from 'commander';
import { z } from 'zod';
import { RollupError } from '../../lambda/errors.ts';
import {
  ROWS,
  type RawSettings,
  checkValues,
  formatProblems,
  parseSettings,
} from '../../lambda/settings/settings.ts';
import { type Settings } from '../../lambda/settings/table.ts';
import { resolveTyped } from '../output/output-file.ts';
import { flagOf } from './setting-options.ts';

/** Name of the file that is read, if it exists, from the folder in which a command or a synthesis is started. */
export const SETTINGS_FILE = 's3-log-rollup.json';

/** The contents of `s3-log-rollup.json`. Each setting is valid by itself; the stack checks the values under `stack`. */
export interface SettingsFile {
  /** Name of the file for messages; undefined if there is no file. */
  name: string | undefined;
  settings: RawSettings;
  /** A template: `s3://bucket/raw/{yyyy}{MM}{dd}/{HH}/`. */
  source?: string;
  destination?: string;
  stack: Readonly<Record<string, unknown>>;
}

const template = z.string('must be text such as s3://bucket/prefix/{yyyy}{MM}{dd}/{HH}/').optional();

/** Fields of the file besides settings. */
export const besides = z.object({
  $schema: z.string('must be text').optional(),
  source: template,
  destination: template,
  stack: z.record(z.string(), z.unknown(), 'must be an object, of context values').optional(),
});

const NAMES = [...Object.keys(besides.shape), ...ROWS.map(({ name }) => name)];

/**
 * Reads the file that `--config` names, or `s3-log-rollup.json` in this folder, if there is one.
 *
 * @param config the value of `--config`
 * @param stackNames names that are allowed under `stack`; without them, `stack` is not checked
 * @throws RollupError `InvalidArgument`, one for all problems of the file
 */
export function readSettingsFile(config: string | undefined, stackNames?: readonly string[]): SettingsFile {
  const name = config ?? SETTINGS_FILE;
  const text = readText(name, config !== undefined);
  if (text === undefined) return { name: undefined, settings: {}, stack: {} };
  const json = parseObject(text, name);
  const known = besides.safeParse(json);
  const settings: RawSettings = Object.fromEntries(
    ROWS.filter((row) => json[row.name] !== undefined).map((row) => [row.name, json[row.name]]),
  );
  const stack = known.data?.stack ?? {};
  const problems = [
    ...unknownNames(json, NAMES),
    ...(stackNames === undefined ? [] : unknownNames(stack, stackNames, 'stack.')),
    ...(known.error?.issues ?? []).map(({ path, message }) => `${path.join('.')} ${message}`),
    // Relations between settings are checked once flags are known, which override the file.
    ...formatProblems(checkValues(settings).problems, settings, (setting, path) =>
      pathOf([setting, ...path]),
    ),
  ];
  if (problems.length > 0 || !known.success) throw refusal(name, `${problems.join('; ')}.`);
  const { source, destination } = known.data;
  return {
    name,
    settings,
    stack,
    ...(source === undefined ? {} : { source }),
    ...(destination === undefined ? {} : { destination }),
  };
}

/**
 * The settings of the file, overridden by those that were typed.
 *
 * @throws RollupError `InvalidArgument`, one for all problems, each under the name that its user wrote
 */
export function settingsOver({ name = '', settings }: SettingsFile, typed: RawSettings): Settings {
  const given = Object.entries(typed).filter(([, value]) => value !== undefined);
  const flags = new Set(given.map(([setting]) => setting));
  return parseSettings({ ...settings, ...Object.fromEntries(given) }, (setting, path) =>
    flags.has(setting) ? flagOf(setting, path) : `${name}: ${pathOf([setting, ...path])}`,
  );
}

/** The text of the file; undefined if it is absent and not required. */
function readText(name: string, required: boolean): string | undefined {
  try {
    return readFileSync(resolveTyped(name), 'utf8');
  } catch (error) {
    const { code, errno } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' && !required) return undefined;
    throw refusal(name, `it cannot be read: ${getSystemErrorMessage(errno ?? 0)} (${code ?? ''}).`, error);
  }
}

function parseObject(text: string, name: string): Record<string, unknown> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw refusal(name, `it is not JSON: ${why.replace(/\s+/g, ' ')}.`, cause);
  }
  const object = z.record(z.string(), z.unknown()).safeParse(json);
  if (object.success) return object.data;
  throw refusal(name, 'it must be one JSON object, such as {"targetSize": "64MiB"}.');
}

function unknownNames(given: Record<string, unknown>, names: readonly string[], inside = ''): string[] {
  return Object.keys(given)
    .filter((name) => !names.includes(name))
    .map((name) => {
      const nearest = nearestOf(name, names);
      const hint = nearest === undefined ? '' : ` (did you mean ${inside}${nearest}?)`;
      return `${inside}${name} is no setting${hint}`;
    });
}

/** The known name that was probably meant. commander compares it, as it does for options; undefined if none is near. */
function nearestOf(typed: string, names: readonly string[]): string | undefined {
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

/** `['filters', 0, 'include']` -> `filters[0].include`. */
function pathOf(path: PropertyKey[]): string {
  return path
    .map((step, i) => (typeof step === 'number' ? `[${step}]` : `${i === 0 ? '' : '.'}${String(step)}`))
    .join('');
}

function refusal(name: string, why: string, cause?: unknown): RollupError {
  return new RollupError('InvalidArgument', `${name}: ${why}`, { cause });
}

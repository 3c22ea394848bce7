import type { z } from 'zod';
import { RollupError } from '../errors.ts';
import { GiB } from '../size.ts';
import { RELATIONS } from './relations.ts';
import { MAX_CONNECTIONS, SMALLEST_PART } from './rollup.ts';
import type { Row } from './row.ts';
import { SETTINGS, type SettingName, type Settings } from './table.ts';

export { MAX_CONNECTIONS, SMALLEST_PART };

/** Parts of one output that are uploaded at once. */
export const PARTS_IN_FLIGHT = 4;
/** Parts of one object, at most: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html */
export const MOST_PARTS = 10_000;
/** Bytes that S3 copies in one request: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html */
export const LARGEST_COPY = 5_000_000_000;
/** Bytes of each part of a larger copy. */
export const COPY_PART = GiB;
/** Connections for requests that are neither downloads nor parts: listings, the manifest. */
const CONTROL_CONNECTIONS = 2;

/** The table of settings as a list. */
export const ROWS = Object.entries<Row>(SETTINGS).map(([name, row]) => ({
  name: name as SettingName,
  ...row,
}));

/** Every setting with its default. */
export const DEFAULT_SETTINGS = Object.fromEntries(ROWS.map((row) => [row.name, row.default])) as Settings;

/** Settings before they are checked, as text or as values; absent for the default. */
export type RawSettings = { [Name in SettingName]?: unknown };

/** A value that is refused. */
export interface SettingProblem {
  setting: SettingName;
  /** Path inside the value; empty for the value itself. */
  path: PropertyKey[];
  /** The rule, beginning with `must` or a verb. */
  message: string;
  /**
   * True of a rule about another setting beside it, which the value itself does not break: the value is then named before the
   * rule and not behind it, where "must be left out beside kmsKeyId, not AES256" would say the opposite.
   */
  isRelation?: true;
}

/**
 * Checks every value by itself.
 *
 * @returns the problems, and settings that have the default for each value that is refused or not given
 */
export function checkValues(raw: RawSettings): { settings: Settings; problems: SettingProblem[] } {
  const settings: Record<string, unknown> = { ...DEFAULT_SETTINGS };
  const problems: SettingProblem[] = [];
  for (const { name, schema, fromText } of ROWS) {
    const given = raw[name];
    if (given === undefined) continue;
    const parsed = schema.safeParse(typeof given === 'string' ? fromText(given) : given);
    if (parsed.success) settings[name] = parsed.data;
    else problems.push(...parsed.error.issues.map(({ path, message }) => ({ setting: name, path, message })));
  }
  return { settings: settings as Settings, problems };
}

/**
 * Checks the conditions between settings (`RELATIONS`).
 *
 * @param unsound settings whose values were refused: their conditions are left out
 */
export function contradictions(
  settings: Settings,
  unsound: ReadonlySet<SettingName> = new Set(),
): SettingProblem[] {
  return RELATIONS.filter(({ of }) => !of.some((name) => unsound.has(name))).flatMap(({ of, problem }) => {
    const message = problem(settings);
    return message === undefined ? [] : [{ setting: of[0], path: [], message, isRelation: true as const }];
  });
}

/**
 * Checks all values, and the conditions between them. A malformed value is never replaced by a default.
 *
 * @param nameOf returns the flag or variable that a setting was given by
 * @throws RollupError `InvalidArgument`, one that names every bad value as the user wrote it
 */
export function parseSettings(
  raw: RawSettings,
  nameOf: (setting: SettingName, path: PropertyKey[]) => string,
): Settings {
  const { settings, problems } = checkValues(raw);
  const unsound = new Set(problems.map(({ setting }) => setting));
  const all = [...problems, ...contradictions(settings, unsound)];
  if (all.length === 0) return settings;
  throw new RollupError('InvalidArgument', `${formatProblems(all, raw, nameOf).join('; ')}.`);
}

/** Problems as text: `--target-size must be …, not "lots"`; `--level 9 must stand beside a codec …`. */
export function formatProblems(
  problems: SettingProblem[],
  raw: RawSettings,
  nameOf: (setting: SettingName, path: PropertyKey[]) => string,
): string[] {
  return problems.map(({ setting, path, message, isRelation }) => {
    const given = valueAt(raw[setting], path);
    const name = nameOf(setting, path);
    if (given === undefined || given === true) return `${name} ${message}`;
    return isRelation === true
      ? `${name} ${plain(given)} ${message}`
      : `${name} ${message}, not ${quote(given)}`;
  });
}

function valueAt(value: unknown, path: PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (inner, step) => (inner instanceof Object ? Reflect.get(inner, step) : undefined),
    value,
  );
}

function quote(given: unknown): string {
  return given instanceof Object ? JSON.stringify(given) : `"${String(given)}"`;
}

function plain(given: unknown): string {
  return given instanceof Object ? JSON.stringify(given) : String(given);
}

/** The environment variable of a setting: `targetSize` -> `TARGET_SIZE`. */
export function variableOf(setting: SettingName): string {
  return setting.replace(/[A-Z]/g, '_$&').toUpperCase();
}

type Json = z.infer<ReturnType<typeof z.json>>;

/** The settings that the manifest records, because they shape the rollup. */
export function recordedSettings(settings: Settings): Record<string, Json> {
  const recorded = ROWS.filter(
    (row) =>
      row.recorded === 'always' ||
      (row.recorded === 'unless default' &&
        JSON.stringify(settings[row.name]) !== JSON.stringify(row.default)),
  );
  return Object.fromEntries(recorded.map(({ name }) => [name, settings[name] as Json]));
}

/** Most connections of a run: one for each download and each part in flight, and some for control; 250 at most. */
export function maxSockets({ concurrency, outputsInFlight }: Settings): number {
  return Math.min(MAX_CONNECTIONS, concurrency + outputsInFlight * PARTS_IN_FLIGHT + CONTROL_CONNECTIONS);
}

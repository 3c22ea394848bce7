import type { z } from 'zod';
import { RollupError } from '../errors.ts';
import { GiB } from '../size.ts';
import { RELATIONS } from './relations.ts';
import { MAX_CONNECTIONS } from './rollup.ts';
import type { Row } from './row.ts';
import { SETTINGS, type SettingName, type Settings } from './table.ts';

export { MAX_CONNECTIONS };

/** The parts of one output that are uploaded at once. */
export const PARTS_IN_FLIGHT = 4;
/** Of one object: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html */
export const MOST_PARTS = 10_000;
/** Bytes that S3 copies in one request: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html */
export const LARGEST_COPY = 5_000_000_000;
/** Bytes of each part of a larger copy. */
export const COPY_PART = GiB;
/** Connections for what is neither a download nor an upload part: listing, the manifest. */
const CONTROL_CONNECTIONS = 2;

/** The table as a list. */
export const ROWS = Object.entries<Row>(SETTINGS).map(([name, row]) => ({
  name: name as SettingName,
  ...row,
}));

export const DEFAULT_SETTINGS = Object.fromEntries(ROWS.map((row) => [row.name, row.default])) as Settings;

/** Settings as they were written down, text or not; absent for the default. */
export type RawSettings = { [Name in SettingName]?: unknown };

export interface SettingProblem {
  setting: SettingName;
  /** Where in the value: empty for the value itself. */
  path: PropertyKey[];
  message: string;
}

/** Checks every value by itself. `settings`: what is sound, and the default for the rest. */
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

/** What does not go together among settings of which each is sound, but for those that are named. */
export function contradictions(
  settings: Settings,
  unsound: ReadonlySet<SettingName> = new Set(),
): SettingProblem[] {
  return RELATIONS.filter(({ of }) => !of.some((name) => unsound.has(name))).flatMap(({ of, problem }) => {
    const message = problem(settings);
    return message === undefined ? [] : [{ setting: of[0], path: [], message }];
  });
}

/**
 * Throws one `InvalidArgument` that names every bad value as the user wrote it; `nameOf` turns a setting's name
 * into the flag or variable it came from. A malformed value is never a default.
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

/** Each as `--target-size must be …, not "lots"`. */
export function formatProblems(
  problems: SettingProblem[],
  raw: RawSettings,
  nameOf: (setting: SettingName, path: PropertyKey[]) => string,
): string[] {
  return problems.map(({ setting, path, message }) => {
    const given = valueAt(raw[setting], path);
    return `${nameOf(setting, path)} ${message}${given === undefined ? '' : `, not ${quote(given)}`}`;
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

/** The environment variable of a setting: `targetSize` -> `TARGET_SIZE`. */
export function variableOf(setting: SettingName): string {
  return setting.replace(/[A-Z]/g, '_$&').toUpperCase();
}

type Json = z.infer<ReturnType<typeof z.json>>;

/** What a manifest says of how the rollup was made. */
export function recordedSettings(settings: Settings): Record<string, Json> {
  const recorded = ROWS.filter(
    (row) =>
      row.recorded === 'always' ||
      (row.recorded === 'unless default' &&
        JSON.stringify(settings[row.name]) !== JSON.stringify(row.default)),
  );
  return Object.fromEntries(recorded.map(({ name }) => [name, settings[name] as Json]));
}

/** The one number that all traffic is capped by, from the same settings as what wants to send. */
export function maxSockets({ concurrency, outputsInFlight }: Settings): number {
  return Math.min(MAX_CONNECTIONS, concurrency + outputsInFlight * PARTS_IN_FLIGHT + CONTROL_CONNECTIONS);
}

import { z } from 'zod';
import { ENV } from '../lambda/names.ts';

/** Settings of a run that are handed to the function as they are; it has the defaults, and the last word. */
export interface EngineProps {
  /** `32MiB`, or bytes. */
  readonly targetSize?: string | number | undefined;
  /** `8MiB`, or bytes. */
  readonly partSize?: string | number | undefined;
  /** Downloads in flight. */
  readonly concurrency?: number | undefined;
  readonly outputsInFlight?: number | undefined;
  readonly newline?: 'ensure' | 'none' | undefined;
  /** Seconds after the end of an hour during which it is refused. Default: 300. */
  readonly graceSeconds?: number | undefined;
}

export const DEFAULT_GRACE_SECONDS = 300;

// As the function reads them; it has the last word. 5 MiB is S3's smallest part.
const UNITS: Record<string, number> = { '': 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };
const size = z.union([z.string(), z.number()], 'must be a size from 5MiB to 1GiB').refine((text) => {
  const bytes = bytesOf(text);
  return bytes >= 5 * 2 ** 20 && bytes <= 2 ** 30;
}, 'must be a size from 5MiB to 1GiB');

export const engineFields = {
  targetSize: size.optional(),
  partSize: size.optional(),
  concurrency: wholeNumber(1, 250).optional(),
  outputsInFlight: wholeNumber(1, 16).optional(),
  newline: z.enum(['ensure', 'none'], 'must be "ensure" or "none"').optional(),
  graceSeconds: wholeNumber(0, 3_540).default(DEFAULT_GRACE_SECONDS),
};

export const engineSchema = z.strictObject(engineFields);

/** The function's environment: only what was given, so that every other default stays the function's own. */
export function engineEnvironment(engine: z.infer<typeof engineSchema>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(engine)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => [ENV[name as keyof typeof engine], String(value)]),
  );
}

/** `32MiB`, `33554432` -> 33554432; NaN for what is no size. */
export function bytesOf(size: string | number): number {
  const [, digits, unit = ''] = /^(\d+)([KMG]iB)?$/.exec(String(size)) ?? [];
  return Number(digits) * (UNITS[unit] ?? NaN);
}

export function wholeNumber(least: number, most: number) {
  const message = `must be a whole number from ${least} to ${most}`;
  return z.int(message).min(least, message).max(most, message);
}

import { z } from 'zod';
import { RollupError } from './errors.ts';
import { GiB, MiB, formatSize, parseSize } from './size.ts';

/** The parts of one output that are uploaded at once. */
export const PARTS_IN_FLIGHT = 4;
/** Connections for what is neither a download nor an upload part: listing, the manifest. */
const CONTROL_CONNECTIONS = 2;
/** No more than this to one host, whatever is set: a Lambda has 1,024 descriptors, and this leaves most of them. */
export const MAX_CONNECTIONS = 250;

/** What can be tuned. Sizes are in bytes. */
export interface Settings {
  /** An output closes once it holds this much. */
  targetSize: number;
  /** Size of an S3 multipart part. */
  partSize: number;
  /** Downloads in flight. */
  concurrency: number;
  /** Outputs that are being assembled or uploaded: each has a slab. */
  outputsInFlight: number;
  /** `ensure`: a plain-text source that lacks its last newline is given one. */
  newline: 'ensure' | 'none';
}

export const DEFAULT_SETTINGS: Settings = {
  targetSize: 32 * MiB,
  partSize: 8 * MiB,
  concurrency: 64,
  outputsInFlight: 3,
  newline: 'ensure',
};

function size(min: number, max: number, why: string) {
  const range = `a size from ${formatSize(min)} (${why}) to ${formatSize(max)}, such as 32MiB`;
  return z
    .union([z.number(), z.string().transform((text) => parseSize(text) ?? NaN)])
    .refine((bytes) => Number.isSafeInteger(bytes) && bytes >= min && bytes <= max, `must be ${range}`);
}

function whole(min: number, max: number) {
  return z
    .union([z.number(), z.string().transform((text) => (/^\d+$/.test(text) ? Number(text) : NaN))])
    .refine(
      (n) => Number.isInteger(n) && n >= min && n <= max,
      `must be a whole number from ${min} to ${max}`,
    );
}

// https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html: parts are of 5 MiB at least.
const SMALLEST_PART = 5 * MiB;

const schema = z.object({
  targetSize: size(SMALLEST_PART, GiB, "S3's smallest part").default(DEFAULT_SETTINGS.targetSize),
  partSize: size(SMALLEST_PART, GiB, "S3's smallest part").default(DEFAULT_SETTINGS.partSize),
  concurrency: whole(1, MAX_CONNECTIONS).default(DEFAULT_SETTINGS.concurrency),
  outputsInFlight: whole(1, 16).default(DEFAULT_SETTINGS.outputsInFlight),
  newline: z.enum(['ensure', 'none'], 'must be ensure or none').default(DEFAULT_SETTINGS.newline),
});

/** Settings as they were written down: strings or numbers, absent for the default. */
export type RawSettings = Partial<Record<keyof Settings, string | number | undefined>>;

/**
 * Throws one `InvalidArgument` that names every bad value as the user wrote it; `nameOf` turns a setting's name
 * into the flag or variable it came from. A malformed value is never a default.
 */
export function parseSettings(raw: RawSettings, nameOf: (setting: keyof Settings) => string): Settings {
  const parsed = schema.safeParse(raw);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => {
    const setting = issue.path[0] as keyof Settings;
    return `${nameOf(setting)} ${issue.message}, not "${String(raw[setting])}"`;
  });
  throw new RollupError('InvalidArgument', `${problems.join('; ')}.`);
}

/** The one number that all traffic is capped by, from the same settings as what wants to send. */
export function maxSockets({ concurrency, outputsInFlight }: Settings): number {
  return Math.min(MAX_CONNECTIONS, concurrency + outputsInFlight * PARTS_IN_FLIGHT + CONTROL_CONNECTIONS);
}

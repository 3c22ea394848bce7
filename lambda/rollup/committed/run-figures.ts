import { z } from 'zod';

/** Name of the manifest's user metadata that holds the figures: the header `x-amz-meta-run`. */
const NAME = 'run';
/** Bytes of the figures, at most: S3 takes 2 KB of user metadata with an object, names included. */
const MOST_BYTES = 2_000;

const count = z.number().int().nonnegative();

const figuresSchema = z.object({
  /** Version of the program. */
  version: z.string(),
  /** ISO 8601. */
  startedAt: z.iso.datetime(),
  /** Seconds from then until the manifest was written. */
  durationSeconds: z.number().nonnegative(),
  /** The way that the hour was rolled up; `library` where a program called the engine by itself. */
  by: z.enum(['function', 'command-line', 'workers', 'state-machine', 'library']),
  /** Requests until the manifest was written, without it; of a state machine those of its commit step alone. */
  requests: z.object({ list: count, get: count, put: count, copy: count, delete: count, retries: count }),
  /** The highest use, as sums over all processes of `workers`; of a state machine that of its commit step. */
  peak: z.object({
    /** Absent on systems without /proc. */
    fileDescriptors: count.optional(),
    connections: count,
    rssBytes: count,
    /** Bytes of outputs that were held at one time; absent for a state machine. */
    inFlightBytes: count.optional(),
  }),
  /** Memory of the function in bytes; absent elsewhere. */
  memoryLimitBytes: count.optional(),
  /** Invocations before this one that worked on the hour for the same request and had no time for all of it. */
  continuations: count,
});

/** What the run that wrote a manifest took: told to people, and never decided by. */
export type RunFigures = z.infer<typeof figuresSchema>;

/**
 * The figures as user metadata of a manifest. They are no part of its bytes: a release that does not know a field of a
 * manifest refuses it, and the same commit has the same bytes whoever made it.
 */
export function formatFigures(figures: RunFigures): Record<string, string> {
  // A header takes ASCII alone.
  const text = JSON.stringify(figures).replace(
    /[^\x20-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return text.length + NAME.length > MOST_BYTES ? {} : { [NAME]: text };
}

/** Parses what `formatFigures` gave. Undefined where there is none, or where it cannot be read: figures are no condition. */
export function parseFigures(metadata: Readonly<Record<string, string>> = {}): RunFigures | undefined {
  try {
    return figuresSchema.safeParse(JSON.parse(metadata[NAME] ?? '')).data;
  } catch {
    return undefined;
  }
}

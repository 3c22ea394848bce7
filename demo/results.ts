import { z } from 'zod';

// Schemas of the fields that the demo reads from the command line's JSON and from the manifest, as any script would.

const whole = z.number().int();

export const runResult = z.object({
  status: z.enum(['committed', 'unchanged', 'empty', 'incomplete']),
  objects: whole,
  bytes: whole,
  outputs: whole,
  written: whole,
  reused: whole,
  copied: whole,
  requests: z.object({ list: whole, get: whole, put: whole, copy: whole, delete: whole, retries: whole }),
  peak: z.object({ fileDescriptors: whole.optional(), connections: whole, rssBytes: whole }),
  durationSeconds: z.number(),
});
export type RunResult = z.infer<typeof runResult>;

export const verifyReport = z.object({
  status: z.enum(['ok', 'mismatch']),
  objects: whole,
  outputs: whole,
  outputBytes: whole,
  problems: z.array(z.object({ message: z.string() })),
});

export const manifest = z.object({
  outputs: z.array(z.object({ key: z.string(), size: whole, etag: z.string() })),
});
export type Manifest = z.infer<typeof manifest>;

/** What the demo needs of `report --json`. */
export const hourReport = z.object({
  hours: z.array(z.object({ state: z.string() })),
  totals: z.object({ objects: z.number() }),
});

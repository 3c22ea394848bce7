import { z } from 'zod';

export const hour = z
  .string()
  .regex(/^\d{4}-\d{2}-\d{2}T\d{2}$/, 'must be an hour in UTC, such as 2026-11-21T08');

export const fields = z.strictObject({
  /** `s3://bucket/prefix/`; `{yyyy}` `{MM}` `{dd}` `{HH}` in it are filled from the hour. That of `stream`, where it is not given. */
  source: z.string().min(1).optional(),
  /** The source with the raw root replaced by the aggregated root, where it is not given. */
  destination: z.string().min(1).optional(),
  /** That which the source is the prefix of, where it is not given. */
  hour: hour.optional(),
  /** The hour is the one before this time's. */
  scheduledTime: z.iso.datetime({ offset: true }).optional(),
  /** Roll up an hour that has not ended, or only just has. */
  force: z.boolean().optional(),
  /** Rebuild the whole hour. */
  repack: z.boolean().optional(),
  /** `false` keeps the sources of this run, where the deployment deletes them; `true` is refused where it does not. */
  deleteSource: z.boolean().optional(),
  /** Add what came late to an hour that is rolled up; do nothing where it is not. */
  lookBack: z.boolean().optional(),
  /** The stream that the source is an hour of: logs and metrics are told apart by it. */
  stream: z.string().min(1).max(128).optional(),
  /** How many invocations have worked on this request before. */
  continuation: z.int().nonnegative().optional(),
});

/** What the queue carries, and what the function is invoked with. */
export const messageSchema = fields.refine(
  ({ source, stream, hour, scheduledTime }) =>
    source !== undefined || (stream !== undefined && (hour ?? scheduledTime) !== undefined),
  'must have a "source", or a "stream" and an "hour"',
);

export type RequestMessage = z.infer<typeof messageSchema>;

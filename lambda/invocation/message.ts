import { z } from 'zod';

/** An hour in UTC: `2026-11-21T08`. */
export const hour = z
  .string()
  .regex(/^\d{4}-\d{2}-\d{2}T\d{2}$/, 'must be an hour in UTC, such as 2026-11-21T08');

/** The fields of a request, all optional by themselves. */
export const fields = z.strictObject({
  /**
   * `s3://bucket/prefix/`; `{yyyy}` `{MM}` `{dd}` `{HH}` in it are filled from the hour.
   *
   * @defaultValue the source of `stream`
   */
  source: z.string().min(1).optional(),
  /** @defaultValue the source with the raw root replaced by the aggregated root */
  destination: z.string().min(1).optional(),
  /** @defaultValue the hour that the source is the prefix of */
  hour: hour.optional(),
  /** The time of a schedule, ISO 8601: the request is for the hour before it. */
  scheduledTime: z.iso.datetime({ offset: true }).optional(),
  /**
   * Roll up an hour that has not ended, or is within the grace period after its end.
   *
   * @defaultValue false
   */
  force: z.boolean().optional(),
  /**
   * Rebuild all outputs of the hour.
   *
   * @defaultValue false
   */
  repack: z.boolean().optional(),
  /**
   * `false` keeps the sources of the hour where the deployment deletes them, in later runs too, until a request says `true`;
   * `true` is refused where the deployment does not delete.
   *
   * @defaultValue as an earlier request for the hour asked, and otherwise the deployment's setting
   */
  deleteSource: z.boolean().optional(),
  /**
   * Add late arrivals to an hour that is rolled up; do nothing where it is not.
   *
   * @defaultValue false
   */
  lookBack: z.boolean().optional(),
  /** Name of the stream that the source is an hour of. The key of log lines and the dimension of metrics. */
  stream: z.string().min(1).max(128).optional(),
  /**
   * The number of invocations that worked on this request before.
   *
   * @defaultValue 0
   */
  continuation: z.int().nonnegative().optional(),
});

/** A request: the body of a message of the queue, or the event of a direct invocation. */
export const messageSchema = fields.refine(
  ({ source, stream, hour, scheduledTime }) =>
    source !== undefined || (stream !== undefined && (hour ?? scheduledTime) !== undefined),
  'must have a "source", or a "stream" and an "hour"',
);

export type RequestMessage = z.infer<typeof messageSchema>;

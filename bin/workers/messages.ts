import { RUN_WARNINGS, itemSchema } from '../../lambda/rollup/index.ts';
import { z } from 'zod';

/** The messages between a run and its worker processes. */

const count = z.number().nonnegative();
const item = itemSchema.pick({ offset: true, length: true });

export const toWorkerSchema = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('start'),
    plan: z.string(),
    etag: z.string(),
    /** Source of the run, which the plan must be for. */
    source: z.string(),
    repack: z.boolean(),
    settings: z.record(z.string(), z.unknown()),
    endpointUrl: z.string().optional(),
    region: z.string().optional(),
  }),
  /** The answer to `next`; null if there are no more items. */
  z.strictObject({ type: z.literal('item'), item: item.nullable() }),
  z.strictObject({ type: z.literal('stop') }),
]);
export type ToWorker = z.infer<typeof toWorkerSchema>;

const counts = z.strictObject({ written: count, copied: count, reused: count });
const usage = {
  requests: z.strictObject({
    list: count,
    get: count,
    put: count,
    copy: count,
    delete: count,
    retries: count,
  }),
  peak: z.strictObject({
    connections: count,
    rssBytes: count,
    fileDescriptors: count.optional(),
  }),
};

export const fromWorkerSchema = z.discriminatedUnion('type', [
  /** Asks for an item. */
  z.strictObject({ type: z.literal('next') }),
  /** Objects and bytes since the last message of this type, and connections and descriptors in use now. */
  z.strictObject({
    type: z.literal('progress'),
    objects: count,
    bytes: count,
    connections: count,
    descriptors: count,
  }),
  z.strictObject({ type: z.literal('begun'), key: z.string(), bytes: count }),
  z.strictObject({
    type: z.literal('output'),
    key: z.string(),
    how: z.enum(['written', 'copied', 'reused']),
    bytes: count,
    sources: count,
  }),
  z.strictObject({
    type: z.literal('done'),
    step: z.discriminatedUnion('status', [
      z.strictObject({ status: z.literal('lost') }),
      z.strictObject({
        status: z.enum(['written', 'incomplete']),
        counts,
        bytes: count,
        peakInFlightBytes: count,
        warnings: z.array(
          z.strictObject({
            code: z.enum(RUN_WARNINGS),
            message: z.string(),
            key: z.string().exactOptional(),
          }),
        ),
      }),
    ]),
    ...usage,
  }),
  z.strictObject({
    type: z.literal('failed'),
    error: z.strictObject({ code: z.string(), message: z.string(), key: z.string().optional() }),
    ...usage,
  }),
]);
export type FromWorker = z.infer<typeof fromWorkerSchema>;
export type RunUsage = Pick<Extract<FromWorker, { type: 'done' }>, 'requests' | 'peak'>;

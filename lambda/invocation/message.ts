import type { z } from 'zod';
import { fields } from './request.ts';

/** What the queue carries, and what the function is invoked with. */
export const messageSchema = fields.refine(
  ({ source, stream, hour, scheduledTime }) =>
    source !== undefined || (stream !== undefined && (hour ?? scheduledTime) !== undefined),
  'must have a "source", or a "stream" and an "hour"',
);

export type RequestMessage = z.infer<typeof messageSchema>;

import { z } from 'zod';
import { DEFAULT_SETTINGS } from '../../lambda/settings/settings.ts';
import { type Engine, wholeNumber } from './engine.ts';

/** How much of Lambda the rollup may use. */
export interface CapacityProps {
  /** MB. Default: 1,024: see "What follows for the settings" in docs/performance.md. 1,769 are one vCPU. */
  readonly memorySize?: number | undefined;
  /** Default: 900, Lambda's longest. */
  readonly timeoutSeconds?: number | undefined;
  /** Most runs at once, taken out of the account's concurrency. Default: 5. */
  readonly reservedConcurrency?: number | undefined;
  /** How many of those the queue leaves for direct invocation. Default: 1. */
  readonly directConcurrency?: number | undefined;
}

// https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html: an event source's maximum concurrency is
// 2 to 1,000. Above the function's reserved concurrency, messages would spend their receives on throttles.
const LEAST_QUEUE_CONCURRENCY = 2;

export const capacityFields = {
  memorySize: wholeNumber(512, 10_240).default(1_024),
  timeoutSeconds: wholeNumber(60, 900).default(900),
  reservedConcurrency: wholeNumber(2, 1_000).default(5),
  directConcurrency: wholeNumber(0, 998).default(1),
};

export const capacitySchema = z.strictObject(capacityFields).superRefine(refuseNoQueueConcurrency);

export type Capacity = z.infer<typeof capacitySchema>;

/** Most messages that are worked on at once. */
export function queueConcurrency(
  capacity: Pick<Capacity, 'reservedConcurrency' | 'directConcurrency'>,
): number {
  return capacity.reservedConcurrency - capacity.directConcurrency;
}

export function refuseNoQueueConcurrency(
  capacity: Pick<Capacity, 'reservedConcurrency' | 'directConcurrency'>,
  context: z.core.$RefinementCtx,
): void {
  if (queueConcurrency(capacity) >= LEAST_QUEUE_CONCURRENCY) return;
  context.addIssue({
    code: 'custom',
    path: ['directConcurrency'],
    message: `leaves ${queueConcurrency(capacity)} of reservedConcurrency ${capacity.reservedConcurrency} for the queue, which needs at least ${LEAST_QUEUE_CONCURRENCY}`,
  });
}

const MIB = 2 ** 20;
/** Node, the SDK, buffers of connections and the index of an hour of 100,000 sources, in MiB. */
const BASE = 350;
/** What an output may be above its target before it closes, in MiB. */
const MARGIN = 1;

/** Lambda ends what needs more memory than it was given, and its next attempt likewise: refused before it is deployed. */
export function refuseTooLittleMemory(
  { memorySize }: Pick<Capacity, 'memorySize'>,
  engine: Engine,
  context: z.core.$RefinementCtx,
): void {
  const outputs = engine.outputsInFlight ?? DEFAULT_SETTINGS.outputsInFlight;
  const target = (engine.targetSize ?? DEFAULT_SETTINGS.targetSize) / MIB;
  const needed = Math.ceil(outputs * (target + MARGIN) + BASE);
  if (needed <= memorySize) return;
  const sum = `outputsInFlight ${outputs} x (targetSize ${Number(target.toFixed(1))} MiB + ${MARGIN} MiB) + ${BASE} MiB`;
  context.addIssue({
    code: 'custom',
    path: ['memorySize'],
    message: `${memorySize} MB are too few for ${sum} = ${needed} MB`,
  });
}

import { z } from 'zod';
import { DEFAULT_SETTINGS } from '../../lambda/settings/settings.ts';
import { type Engine, wholeNumber } from './engine.ts';

/** Memory, time and concurrency of the function. */
export interface CapacityProps {
  /**
   * Memory in MB, from 512 to Lambda's 10,240; 1,769 are one vCPU.
   *
   * @defaultValue 1,024: see "What follows for the settings" in docs/performance.md
   */
  readonly memorySize?: number | undefined;
  /**
   * Seconds of one invocation, from 60 to Lambda's 900.
   *
   * @defaultValue 900
   */
  readonly timeoutSeconds?: number | undefined;
  /**
   * Most invocations at once, taken out of the account's concurrency; from 2 to 1,000.
   *
   * @defaultValue 5
   */
  readonly reservedConcurrency?: number | undefined;
  /**
   * The part of `reservedConcurrency` that is left to direct invocation; the queue has the rest, at least 2.
   *
   * @defaultValue 1
   */
  readonly directConcurrency?: number | undefined;
}

// https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html: an event source's maximum concurrency is
// 2 to 1,000. Above the function's reserved concurrency, messages would spend their receives on throttles.
const LEAST_QUEUE_CONCURRENCY = 2;

/** Schemas of the fields, with their defaults. */
export const capacityFields = {
  memorySize: wholeNumber(512, 10_240).default(1_024),
  timeoutSeconds: wholeNumber(60, 900).default(900),
  reservedConcurrency: wholeNumber(2, 1_000).default(5),
  directConcurrency: wholeNumber(0, 998).default(1),
};

/** Schema of `CapacityProps`. */
export const capacitySchema = z.strictObject(capacityFields).superRefine(refuseNoQueueConcurrency);

/** Memory, time and concurrency, with defaults. */
export interface Capacity {
  readonly memorySize: number;
  readonly timeoutSeconds: number;
  readonly reservedConcurrency: number;
  readonly directConcurrency: number;
}

/** Most messages of the queue that are worked on at once. */
export function queueConcurrency(
  capacity: Pick<Capacity, 'reservedConcurrency' | 'directConcurrency'>,
): number {
  return capacity.reservedConcurrency - capacity.directConcurrency;
}

/** Adds an issue if the queue is left less concurrency than an event source must have. */
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
/** MiB that an output may have above its target before it closes. */
const MARGIN = 1;

/** Outputs in flight of a function that has memory for them: with more, its network is no busier (docs/performance.md). */
const USUAL_OUTPUTS = 6;

/** MiB of an encoder of zstd by its level, as measured: from level 10 on it holds tables of 25 to 90. */
const ZSTD_ENCODER = { from: 10, most: 90 };

/** The outputs in flight: those that are set, otherwise `USUAL_OUTPUTS`, or as many as fit into memory, one at least. */
export function outputsInFlightOf(
  engine: Pick<Engine, 'outputsInFlight' | 'targetSize' | 'codec' | 'level'>,
  { memorySize }: Pick<Capacity, 'memorySize'>,
): number {
  const { codec, level = 0 } = engine;
  const encoder = codec === 'zstd' && level >= ZSTD_ENCODER.from ? ZSTD_ENCODER.most : 0;
  const fitting = Math.floor((memorySize - BASE) / (targetOf(engine) + MARGIN + encoder));
  return engine.outputsInFlight ?? Math.max(1, Math.min(USUAL_OUTPUTS, fitting));
}

/** MiB at which an output closes. */
function targetOf({ targetSize = DEFAULT_SETTINGS.targetSize }: Pick<Engine, 'targetSize'>): number {
  return targetSize / MIB;
}

/**
 * Adds an issue if the outputs in flight do not fit into memory. Lambda would kill such a run, and each of its retries: it is
 * refused before it is deployed.
 */
export function refuseTooLittleMemory(
  { memorySize }: Pick<Capacity, 'memorySize'>,
  engine: Engine,
  context: z.core.$RefinementCtx,
): void {
  const outputs = outputsInFlightOf(engine, { memorySize });
  const target = targetOf(engine);
  const needed = Math.ceil(outputs * (target + MARGIN) + BASE);
  if (needed <= memorySize) return;
  const sum = `outputsInFlight ${outputs} x (targetSize ${Number(target.toFixed(1))} MiB + ${MARGIN} MiB) + ${BASE} MiB`;
  context.addIssue({
    code: 'custom',
    path: ['memorySize'],
    message: `${memorySize} MB are too few for ${sum} = ${needed} MB`,
  });
}

import { workersFor } from '../../lambda/rollup/index.ts';
import { DEFAULT_SETTINGS } from '../../lambda/settings/settings.ts';
import type { Figures } from './figures.ts';
import type { Model } from './hour.ts';
import { meanLatency } from './latency.ts';
import { DEFAULT_MEMORY, type Load, MISSION } from './scenarios.ts';
import { cpuRate } from './transfer.ts';

const PAGE = 1000;
/**
 * Listings at once, as in lambda/rollup/plan/list.ts, and looks at once, as in lambda/rollup/fan-out/commit-step.ts.
 */
const LISTINGS = 8;
const LOOKS = 64;
// https://aws.amazon.com/step-functions/pricing/: a standard workflow in us-east-1, November 2026. A batch takes three transitions.
const DOLLARS_PER_TRANSITION = 0.025 / 1000;
const TRANSITIONS_A_BATCH = 3;

export const FAN_OUT_LOADS: Load[] = [
  MISSION,
  { ...MISSION, objects: 300_000 },
  { ...MISSION, objects: 3_000_000 },
  { ...MISSION, objects: 30_000_000 },
  { objects: 300_000, minSize: 1000, maxSize: 2000 },
  { objects: 3_000_000, minSize: 1000, maxSize: 2000 },
  { objects: 30_000_000, minSize: 1000, maxSize: 2000 },
];

export interface FanOutHour {
  outputs: number;
  batches: number;
  workers: number;
  planSeconds: number;
  writeSeconds: number;
  commitSeconds: number;
  /** GETs to S3 a second by all workers together, while they write. */
  getsPerSecond: number;
  /** Cost of Lambda and Step Functions. */
  dollars: number;
  /** True if plan, commit and each batch end within one invocation. */
  fits: boolean;
}

/** An hour that is planned by one invocation, written by many and committed by one, with the stack's defaults. */
export function fanOutHour(model: Model, load: Load, figures: Figures): FanOutHour {
  const { cpu, latency, lambda } = figures;
  const { fanOutBatch, fanOutConcurrency, ...settings } = DEFAULT_SETTINGS;
  const memory = DEFAULT_MEMORY;
  const bytes = (load.objects * (load.minSize + load.maxSize)) / 2;
  const outputs = Math.ceil(bytes / settings.targetSize);
  const batches = Math.ceil(outputs / fanOutBatch);
  const workers = Math.min(
    batches,
    workersFor({ objects: load.objects, bytes }, { ...settings, fanOutConcurrency }),
  );

  const pages = load.objects / PAGE;
  const planWork = (load.objects * cpu.perPlanned) / cpuRate(memory, figures);
  const planSeconds = lambda.coldStart + Math.max((pages * meanLatency(latency.list)) / LISTINGS, planWork);

  const batch = model({
    ...load,
    objects: Math.ceil(load.objects / batches),
    memory,
    settings: { ...DEFAULT_SETTINGS, concurrency: fanOutConcurrency },
  });
  const batchSeconds = batch.fits ? batch.seconds : Infinity;
  const writeSeconds = Math.ceil(batches / workers) * batchSeconds;

  const commitWork = (outputs * cpu.perFinished + load.objects * cpu.perCommitted) / cpuRate(memory, figures);
  const commitSeconds =
    lambda.coldStart +
    Math.max((outputs * meanLatency(latency.get)) / LOOKS, commitWork) +
    meanLatency(latency.put);

  const gbSeconds = ((planSeconds + commitSeconds + batches * batchSeconds) * memory) / 1024;
  return {
    outputs,
    batches,
    workers,
    planSeconds,
    writeSeconds,
    commitSeconds,
    getsPerSecond: load.objects / writeSeconds,
    dollars:
      gbSeconds * lambda.dollarsPerGbSecond +
      (batches + 2) * lambda.dollarsPerInvocation +
      batches * TRANSITIONS_A_BATCH * DOLLARS_PER_TRANSITION,
    fits: Math.max(planSeconds, commitSeconds, batchSeconds) < lambda.timeout - lambda.lastCall,
  };
}

import type { Settings } from '../../settings/table.ts';

/** Seconds from a request to its first byte, at least. S3's own figure for small objects is 100 to 200 ms. */
const LEAST_LATENCY_S = 0.02;
/** Bytes that a function of one vCPU moves a second. */
const WORKER_BYTES = 75e6;

/**
 * The number of workers that together come to the request rate which S3 allows, at least one and at most `fanOutWorkers`.
 * A worker's rate is bound by its connections if objects are small, and by its network if they are large.
 *
 * @param work the number of objects to download, and their bytes
 */
export function workersFor(
  work: { objects: number; bytes: number },
  {
    fanOutWorkers,
    fanOutConcurrency,
    fanOutRequestRate,
  }: Pick<Settings, 'fanOutWorkers' | 'fanOutConcurrency' | 'fanOutRequestRate'>,
): number {
  const byConnections = fanOutConcurrency / LEAST_LATENCY_S;
  const byBytes = (WORKER_BYTES * work.objects) / Math.max(1, work.bytes);
  const workers = Math.floor(fanOutRequestRate / Math.min(byConnections, byBytes));
  return Math.min(fanOutWorkers, Math.max(1, workers));
}

import type { Settings } from '../../settings/table.ts';

/** From a request to its first byte. S3's own figure for small objects is 100 to 200 ms; the lowest counts here. */
const LEAST_LATENCY_S = 0.02;
/** What a function of one vCPU moves a second. */
const WORKER_BYTES = 75e6;

/**
 * How many workers S3 lets go on at once: as many as come to the request rate together. A worker's rate is bound by its
 * connections where objects are small, and by its network where they are large.
 */
export function workersFor(
  { objects, bytes }: { objects: number; bytes: number },
  {
    fanOutWorkers,
    fanOutConcurrency,
    fanOutRequestRate,
  }: Pick<Settings, 'fanOutWorkers' | 'fanOutConcurrency' | 'fanOutRequestRate'>,
): number {
  const byConnections = fanOutConcurrency / LEAST_LATENCY_S;
  const byBytes = (WORKER_BYTES * objects) / Math.max(1, bytes);
  const workers = Math.floor(fanOutRequestRate / Math.min(byConnections, byBytes));
  return Math.min(fanOutWorkers, Math.max(1, workers));
}

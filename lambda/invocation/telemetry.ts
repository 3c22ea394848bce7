import { Logger } from '@aws-lambda-powertools/logger';
import { MetricUnit, Metrics } from '@aws-lambda-powertools/metrics';
import { RollupError } from '../errors.ts';
import { openDescriptors } from '../s3/client/gauge.ts';
import { METRICS } from '../names.ts';
import type { RunResult } from '../run.ts';
import type { Peaks, Requests } from '../s3/connection.ts';

const SAMPLE_MS = 5_000;

export const logger = new Logger();
const metrics = new Metrics({ namespace: METRICS.namespace });

/** What a run took, whether it came to a good end or not. */
export interface RunUsage {
  peak: Peaks;
  requests: Requests;
  durationSeconds: number;
}

/** Logs descriptors and memory every 5 seconds, so that a run that is killed still shows its trend. */
export function startSampling(connections: () => number): () => void {
  const timer = setInterval(() => {
    const { rss, heapUsed, external } = process.memoryUsage();
    const fileDescriptors = openDescriptors();
    logger.info('sample', { fileDescriptors, connections: connections(), rssBytes: rss, heapUsed, external });
  }, SAMPLE_MS);
  return () => {
    clearInterval(timer);
  };
}

/**
 * `continued`: a message is on its way that lets another invocation finish what is incomplete. `lookBack`: the hour was
 * committed before, and counts as updated where something came late; else a look back would hide that its stream commits
 * no hours any more.
 */
export function reportResult(
  stream: string,
  result: RunResult,
  { continued, lookBack }: { continued: boolean; lookBack: boolean },
): void {
  const { problems: [first] = [] } = result;
  if (first === undefined) logger.info(`hour ${result.status}`, { ...result, continued, lookBack });
  else logger.error(`hour ${result.status}, but`, { ...result, continued, code: first.code, key: first.key });
  if (first !== undefined) metrics.addMetric(METRICS.failures, MetricUnit.Count, 1);
  addEffort(result);
  if (lookBack) {
    if (result.status === 'committed') metrics.addMetric(METRICS.hoursUpdated, MetricUnit.Count, 1);
  } else if (result.status !== 'incomplete') {
    metrics.addMetric(METRICS.hoursCommitted, MetricUnit.Count, 1);
    metrics.addMetric(METRICS.objects, MetricUnit.Count, result.objects);
    metrics.addMetric(METRICS.bytes, MetricUnit.Bytes, result.bytes);
    metrics.addMetric(METRICS.outputs, MetricUnit.Count, result.outputs);
    metrics.addMetric(METRICS.reused, MetricUnit.Count, result.reused);
  }
  publish(stream);
}

/** One step of many: what its hour came to is told by the commit. */
export function reportStep(stream: string, answer: object, usage: RunUsage): void {
  logger.info('step', { ...answer, ...usage });
  addEffort(usage);
  publish(stream);
}

/** `usage` is absent where no run was begun: the request was refused. */
export function reportFailure(stream: string, error: unknown, usage?: RunUsage): void {
  const known = error instanceof RollupError ? { code: error.code, key: error.key } : { code: 'Unexpected' };
  const status = usage === undefined ? 'refused' : 'failed';
  logger.error(`request ${status}`, {
    status,
    ...known,
    ...(usage && { durationSeconds: usage.durationSeconds, requests: usage.requests, peak: usage.peak }),
    error: describe(error),
  });
  // How close to its limits a run was matters most where it failed.
  if (usage !== undefined) addEffort(usage);
  metrics.addMetric(METRICS.failures, MetricUnit.Count, 1);
  publish(stream);
}

/** With stack and causes: `toJSON`, which a `RollupError` has for the command line, leaves them out. */
function describe(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { message: String(error) };
  const { name, message, stack, cause } = error;
  return { name, message, stack, ...(cause === undefined ? {} : { cause: describe(cause) }) };
}

function addEffort({ peak, requests, durationSeconds }: RunUsage): void {
  metrics.addMetric(METRICS.duration, MetricUnit.Seconds, durationSeconds);
  metrics.addMetric(METRICS.retries, MetricUnit.Count, requests.retries);
  metrics.addMetric(METRICS.connections, MetricUnit.Count, peak.connections);
  metrics.addMetric(METRICS.memory, MetricUnit.Bytes, peak.rssBytes);
  if (peak.fileDescriptors !== undefined) {
    metrics.addMetric(METRICS.fileDescriptors, MetricUnit.Count, peak.fileDescriptors);
  }
}

function publish(stream: string): void {
  metrics.addDimension(METRICS.streamDimension, stream);
  metrics.publishStoredMetrics();
}

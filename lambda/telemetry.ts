import { Logger } from '@aws-lambda-powertools/logger';
import { MetricUnit, Metrics } from '@aws-lambda-powertools/metrics';
import { RollupError } from './errors.ts';
import { openDescriptors } from './gauge.ts';
import { METRICS } from './names.ts';
import type { RunResult } from './run.ts';

const SAMPLE_MS = 5_000;

export const logger = new Logger();
const metrics = new Metrics({ namespace: METRICS.namespace });

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

export function reportResult(stream: string, result: RunResult, continued: boolean): void {
  logger.info(`hour ${result.status}`, { ...result, continued });
  const { peak, requests } = result;
  metrics.addDimension(METRICS.streamDimension, stream);
  metrics.addMetric(METRICS.duration, MetricUnit.Seconds, result.durationSeconds);
  metrics.addMetric(METRICS.retries, MetricUnit.Count, requests.retries);
  metrics.addMetric(METRICS.connections, MetricUnit.Count, peak.connections);
  metrics.addMetric(METRICS.memory, MetricUnit.Bytes, peak.rssBytes);
  if (peak.fileDescriptors !== undefined) {
    metrics.addMetric(METRICS.fileDescriptors, MetricUnit.Count, peak.fileDescriptors);
  }
  if (result.status !== 'incomplete') {
    metrics.addMetric(METRICS.hoursCommitted, MetricUnit.Count, 1);
    metrics.addMetric(METRICS.objects, MetricUnit.Count, result.objects);
    metrics.addMetric(METRICS.bytes, MetricUnit.Bytes, result.bytes);
    metrics.addMetric(METRICS.outputs, MetricUnit.Count, result.outputs);
    metrics.addMetric(METRICS.reused, MetricUnit.Count, result.reused);
  }
  metrics.publishStoredMetrics();
}

export function reportFailure(stream: string, error: unknown): void {
  const known =
    error instanceof RollupError ? error.toJSON() : { code: 'Unexpected', message: String(error) };
  logger.error('failed', { ...known, error: error instanceof Error ? error : new Error(String(error)) });
  metrics.addDimension(METRICS.streamDimension, stream);
  metrics.addMetric(METRICS.failures, MetricUnit.Count, 1);
  metrics.publishStoredMetrics();
}

import type { Context } from 'aws-lambda';
import { Logger } from '@aws-lambda-powertools/logger';
import { MetricUnit, Metrics } from '@aws-lambda-powertools/metrics';
import { RollupError } from '../errors.ts';
import { openDescriptors } from '../s3/client/gauge.ts';
import { METRICS } from '../names.ts';
import type { RunResult } from '../run.ts';
import type { Connection, Peaks, Requests } from '../s3/connection.ts';
import { outOfTime } from './failures.ts';

/** Milliseconds between samples of descriptors and memory in the log. */
const SAMPLE_MS = 5_000;
/** Milliseconds before Lambda kills an invocation at which its failure is reported. */
const LAST_REPORT_MS = 1_000;

export const logger = new Logger();
const metrics = new Metrics({ namespace: METRICS.namespace });

/** The use of requests, connections, descriptors and memory, of a run that ended or failed. */
export interface RunUsage {
  peak: Peaks;
  requests: Requests;
  durationSeconds: number;
}

/** Starts the clock of a run. Returns a function that ends the gauge and returns the usage since then. */
export function startUsage(connection: Connection): () => RunUsage {
  const began = performance.now();
  return () => ({
    peak: connection.gauge.stop(),
    requests: connection.takeRequests(),
    durationSeconds: Math.round(performance.now() - began) / 1000,
  });
}

/**
 * Reports a `Timeout` a second before Lambda kills the invocation, which leaves no line in the log: a store that does not
 * answer can hold a run past its deadline. Returns the timer, which a run that ends clears.
 */
export function reportBeforeKill(stream: string, usage: () => RunUsage, context: Context): NodeJS.Timeout {
  const report = (): void => {
    reportFailure(stream, outOfTime(), usage());
  };
  return setTimeout(report, Math.max(0, context.getRemainingTimeInMillis() - LAST_REPORT_MS));
}

/** Logs descriptors and memory every 5 seconds, so that a run that is killed still shows its trend. Returns the end of it. */
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
 * Logs the result of a run and publishes its metrics. A problem after the commit makes it a line of level ERROR and counts as
 * a failure; a warning makes it one of level WARN.
 *
 * @param continued a message was sent that lets another invocation finish the hour
 * @param lookBack the hour was committed before. It counts as updated where something came late, and never as committed:
 * otherwise look backs would hide that a stream commits no hours any more.
 */
export function reportResult(
  stream: string,
  result: RunResult,
  { continued, lookBack }: { continued: boolean; lookBack: boolean },
): void {
  const { problems: [problem] = [] } = result;
  if (problem === undefined) {
    const line = { ...result, continued, lookBack };
    if (result.warnings === undefined) logger.info(`hour ${result.status}`, line);
    else logger.warn(`hour ${result.status}`, line);
  } else {
    const message = `hour ${result.status}, but not everything that follows a commit was done`;
    logger.error(message, { ...result, continued, code: problem.code, key: problem.key });
    metrics.addMetric(METRICS.failures, MetricUnit.Count, 1);
  }
  addUsage(result);
  if (lookBack) {
    if (result.status === 'committed') metrics.addMetric(METRICS.hoursUpdated, MetricUnit.Count, 1);
  } else if (result.status !== 'incomplete') {
    metrics.addMetric(METRICS.hoursCommitted, MetricUnit.Count, 1);
    if (result.objects === 0) metrics.addMetric(METRICS.hoursEmpty, MetricUnit.Count, 1);
    metrics.addMetric(METRICS.objects, MetricUnit.Count, result.objects);
    metrics.addMetric(METRICS.bytes, MetricUnit.Bytes, result.bytes);
    metrics.addMetric(METRICS.outputs, MetricUnit.Count, result.outputs);
    metrics.addMetric(METRICS.reused, MetricUnit.Count, result.reused);
  }
  publish(stream);
}

/** Logs one step of many and publishes its usage. The commit step reports the hour. */
export function reportStep(stream: string, answer: object, usage: RunUsage): void {
  if ('warnings' in answer) logger.warn('step', { ...answer, ...usage });
  else logger.info('step', { ...answer, ...usage });
  addUsage(usage);
  publish(stream);
}

/**
 * Logs a failure with its code, key, stack and causes, and counts it.
 *
 * @param usage undefined where no run was begun, because the request was refused
 */
export function reportFailure(stream: string, error: unknown, usage?: RunUsage): void {
  const known = error instanceof RollupError ? { code: error.code, key: error.key } : { code: 'Unexpected' };
  const status = usage === undefined ? 'refused' : 'failed';
  logger.error(`request ${status}`, {
    status,
    ...known,
    ...(usage && { durationSeconds: usage.durationSeconds, requests: usage.requests, peak: usage.peak }),
    error: describe(error),
  });
  // A run that failed may have been close to its limits.
  if (usage !== undefined) addUsage(usage);
  metrics.addMetric(METRICS.failures, MetricUnit.Count, 1);
  publish(stream);
}

/** An error as JSON with stack and causes, which the `toJSON` of a `RollupError` leaves out for the command line. */
function describe(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { message: String(error) };
  const { name, message, stack, cause } = error;
  return { name, message, stack, ...(cause === undefined ? {} : { cause: describe(cause) }) };
}

function addUsage({ peak, requests, durationSeconds }: RunUsage): void {
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

import { seededRandom } from '../random.ts';

/** A lognormal latency in milliseconds: half are below the median, one in a hundred is above `p99`. */
export interface Latency {
  median: number;
  p99: number;
}

/** A network and a store behind it. */
export interface Shape {
  /** Bytes a second of all connections together, each way. */
  bytesPerSecond: number;
  /** Bytes a second of one connection, each way. */
  bytesPerConnection: number;
  /** Until the first byte of an answer to a GET or HEAD. */
  get: Latency;
  /** From the last byte of a body, or of a request without one, to the answer: objects, parts, the beginning and end of uploads. */
  put: Latency;
  /** Until a page of a listing. */
  list: Latency;
}

/** What a function sees of S3: assumptions, not measurements of one. */
export const LAMBDA: Shape = {
  bytesPerSecond: 75e6,
  bytesPerConnection: 40e6,
  get: { median: 30, p99: 200 },
  put: { median: 60, p99: 400 },
  list: { median: 60, p99: 300 },
};

/** The 99th percentile of the standard normal distribution. */
const Z99 = 2.3263;

/** Draws latencies in milliseconds, the same for the same seed. */
export function drawLatencies(seed: number): (latency: Latency) => number {
  const random = seededRandom(seed);
  return ({ median, p99 }) => {
    const sigma = Math.log(p99 / median) / Z99;
    // Box-Muller; 1 - random() is never 0.
    const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    return median * Math.exp(sigma * normal);
  };
}

/** The latency of an operation of S3. */
export function latencyOf({ get, put, list }: Shape, operation: string): Latency {
  if (operation.startsWith('List')) return list;
  return operation.startsWith('Get') || operation.startsWith('Head') ? get : put;
}

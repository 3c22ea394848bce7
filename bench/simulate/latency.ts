import { seededRandom } from '../random.ts';

/** A lognormal latency in seconds: half are below the median, one in a hundred is above `p99`. */
export interface LatencyOptions {
  median: number;
  p99: number;
}

/** The 99th percentile of the standard normal distribution. */
const Z99 = 2.3263;

/** Returns the latency of the n-th request. It depends on seed and n alone, and not on earlier calls. */
export function latencies({ median, p99 }: LatencyOptions, seed: number): (n: number) => number {
  const sigma = Math.log(p99 / median) / Z99;
  const random = seededRandom(seed);
  const drawn: number[] = [];
  return (n) => {
    while (drawn.length <= n) {
      // Box-Muller; 1 - random() is never 0.
      const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
      drawn.push(median * Math.exp(sigma * normal));
    }
    return drawn[n] ?? median;
  };
}

/** The mean of a lognormal distribution. */
export function meanLatency({ median, p99 }: LatencyOptions): number {
  const sigma = Math.log(p99 / median) / Z99;
  return median * Math.exp(sigma ** 2 / 2);
}

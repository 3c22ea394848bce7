import type { PlanResult } from '../../lambda/plan.ts';
import { PRICES } from '../../lambda/prices.ts';
import { type Bucket, bucketsOf } from './histogram.ts';
import { totalCost } from './prices.ts';

/** The result that `plan` prints: what `run` would do, and its cost. */
export interface Forecast extends PlanResult {
  /** Histogram of the sizes of all sources, including those in sealed outputs. */
  sizes: Bucket[];
  cost: { usd: number; prices: string };
}

/** Adds sizes and cost to a plan. */
export function forecast({ requests, warnings, ...plan }: PlanResult, sizes: readonly number[]): Forecast {
  return {
    ...plan,
    sizes: bucketsOf(sizes),
    requests,
    cost: { usd: Number(totalCost(requests).toFixed(6)), prices: PRICES.of },
    ...(warnings === undefined ? {} : { warnings }),
  };
}

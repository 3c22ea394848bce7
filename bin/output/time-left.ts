import {
  type FullPlan,
  type OutputAction,
  type RequestCounts,
  type RollupRequest,
  actionOf,
  formatLocation,
  indexOf,
} from '../../lambda/rollup/index.ts';
import { type Bucket, bucketsOf } from './histogram.ts';
import { PRICES, totalCost } from './prices.ts';

/** What `plan` prints: what `run` would do, and what it would come to. Sizes are in bytes. */
export interface Forecast {
  /** How `run` would end. */
  expected: 'committed' | 'unchanged' | 'empty';
  source: string;
  destination: string;
  objects: number;
  bytes: number;
  skipped: { empty: number; filtered: number };
  /** The first keys that are filtered. */
  filtered: string[];
  /** By index; without newlines that would be added. With a codec, sizes are estimates from a few sources. */
  outputs: { index: number; key: string; action: OutputAction; sources: number; size: number }[];
  /** Of all sources, those in sealed outputs too. */
  sizes: Bucket[];
  requests: RequestCounts;
  cost: { usd: number; prices: string };
}

export async function forecast(
  { source, destination }: RollupRequest,
  planAll: FullPlan,
  requests: RequestCounts,
): Promise<Forecast> {
  const { plan, previous } = planAll;
  const sealed = new Set(plan.sealed.map(({ key }) => key));
  const sizes = plan.planned.flatMap(({ pieces }) => pieces.map((piece) => piece.source.size));
  if (previous !== undefined) {
    for await (const sources of previous.sources.stored())
      for (const { output, size } of sources) if (sealed.has(output)) sizes.push(size);
  }
  const outputs = [
    ...plan.sealed.map(({ key, size, sources }) => ({ key, action: 'sealed' as const, sources, size })),
    ...plan.planned.map((output) => {
      const { key, expectedSize: size, pieces } = output;
      return { key, action: actionOf(output, planAll, destination), sources: pieces.length, size };
    }),
  ];
  const unchanged = previous !== undefined && plan.planned.length === 0;
  return {
    expected: unchanged ? 'unchanged' : sizes.length === 0 ? 'empty' : 'committed',
    source: formatLocation(source),
    destination: formatLocation(destination),
    objects: sizes.length,
    bytes: sizes.reduce((sum, size) => sum + size, 0),
    skipped: plan.skipped,
    filtered: plan.filtered,
    outputs: outputs
      .map((output) => ({ index: indexOf(output.key), ...output }))
      .sort((a, b) => a.index - b.index),
    sizes: bucketsOf(sizes),
    requests,
    cost: { usd: Number(totalCost(requests).toFixed(6)), prices: PRICES.of },
  };
}

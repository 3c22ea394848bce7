import {
  type FullPlan,
  type OutputAction,
  type RequestCounts,
  type RollupRequest,
  type RunWarning,
  type Skipped,
  actionOf,
  formatLocation,
  indexOf,
  isCommitExpected,
} from '../../lambda/rollup/index.ts';
import { type Bucket, bucketsOf } from './histogram.ts';
import { PRICES, totalCost } from './prices.ts';

/**
 * The result that `plan` prints: the outcome that `run` would have, its requests and their cost. Sizes are in bytes.
 */
export interface Forecast {
  /** The status that `run` would end with. */
  expected: 'committed' | 'unchanged' | 'empty';
  source: string;
  destination: string;
  objects: number;
  bytes: number;
  skipped: Skipped;
  /** The first keys that are filtered. */
  filtered: string[];
  /**
   * In order of their index. Sizes leave out newlines that would be added; with a codec they are estimates from
   * samples.
   */
  outputs: { index: number; key: string; action: OutputAction; sources: number; size: number }[];
  /** Histogram of the sizes of all sources, including those in sealed outputs. */
  sizes: Bucket[];
  requests: RequestCounts;
  cost: { usd: number; prices: string };
  /** What may be a mistake; absent where nothing was noticed. */
  warnings?: RunWarning[];
}

export async function forecast(
  { destination }: Pick<RollupRequest, 'destination'>,
  full: FullPlan,
  requests: RequestCounts,
): Promise<Forecast> {
  const { plan, previous, warnings } = full;
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
      return { key, action: actionOf(output, full, destination), sources: pieces.length, size };
    }),
  ];
  return {
    expected: !isCommitExpected(full) ? 'unchanged' : sizes.length === 0 ? 'empty' : 'committed',
    source: formatLocation(full.source),
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
    ...(warnings.length === 0 ? {} : { warnings }),
  };
}

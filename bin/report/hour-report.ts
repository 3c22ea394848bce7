import {
  type Endpoints,
  type Hour,
  type RollupRequest,
  type RunFigures,
  parseFigures,
} from '../../lambda/rollup/index.ts';
import { type HourStatus, readHourStatus } from '../operator/hour-status.ts';

/** Counts of objects by size: the index is the power of two that the size in bytes is not below. */
export type Sizes = number[];

/** What an hour's manifest says. Sizes are in bytes. */
export interface Committed {
  version: number;
  generation: number;
  createdAt: string;
  objects: number;
  bytes: number;
  outputs: number;
  outputBytes: number;
}

/** An hour in a report: its status, what its manifest says, and what its run took. */
export interface HourReport extends HourStatus {
  committed?: Committed;
  /** Absent where the manifest has no figures. */
  run?: RunFigures;
}

/** Of the sources in rollups, as they were, and of the outputs. */
export interface SizesOfBoth {
  sources: Sizes;
  outputs: Sizes;
}

/**
 * Reads what `readHourStatus` reads, and the index of sources once more where it is too large to be kept. What is returned does
 * not grow with what is in the hour.
 *
 * @param total the sizes in the hour are added to it
 */
export async function readHourReport(
  endpoints: Endpoints,
  hour: Hour,
  request: RollupRequest,
  now: Date,
  total: SizesOfBoth,
): Promise<HourReport> {
  let found: Pick<HourReport, 'committed' | 'run'> = {};
  let sizes: SizesOfBoth = { sources: [], outputs: [] };
  const status = await readHourStatus(
    endpoints,
    hour,
    request,
    now,
    async ({ manifest, metadata, sources }) => {
      const { version, generation, createdAt, totals, outputs } = manifest;
      const run = parseFigures(metadata);
      sizes = { sources: [], outputs: [] };
      for await (const batch of sources.stored()) for (const { size } of batch) addSize(sizes.sources, size);
      for (const { size } of outputs) addSize(sizes.outputs, size);
      const committed = {
        ...{ version, generation, createdAt, objects: totals.objects, bytes: totals.bytes },
        ...{ outputs: totals.outputs, outputBytes: totals.outputBytes },
      };
      found = { committed, ...(run === undefined ? {} : { run }) };
    },
  );
  // An index that turned out to be damaged leaves nothing that is believed.
  if (status.state === 'unreadable') return status;
  addSizes(total.sources, sizes.sources);
  addSizes(total.outputs, sizes.outputs);
  return { ...status, ...found };
}

function addSize(sizes: Sizes, bytes: number): void {
  const power = Math.floor(Math.log2(Math.max(1, bytes)));
  while (sizes.length <= power) sizes.push(0);
  sizes[power] = (sizes[power] ?? 0) + 1;
}

/** Adds counts to others, in place. */
function addSizes(to: Sizes, sizes: Sizes): void {
  for (const [power, count] of sizes.entries()) {
    while (to.length <= power) to.push(0);
    to[power] = (to[power] ?? 0) + count;
  }
}

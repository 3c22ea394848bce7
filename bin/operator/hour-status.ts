import { hasCode } from '../../lambda/errors.ts';
import { readCommitted } from '../../lambda/rollup/committed.ts';
import { type Hour, hourEnd } from '../../lambda/rollup/hour.ts';
import { type Location, formatLocation } from '../../lambda/rollup/location.ts';
import type { Rollup } from '../../lambda/rollup/manifest.ts';
import { committedSelector } from '../../lambda/rollup/select.ts';
import { type Sides, rawOf } from '../../lambda/rollup/sides.ts';

/**
 * `rolled-up`: everything that is in raw is in the rollup. `late`: something came, or was changed, after it.
 * `missing`: there are raw objects and no manifest. `open`: likewise, but the hour goes on. `empty`: there is neither.
 * `unreadable`: there is a manifest, and it is not one of this source.
 */
export type HourState = 'rolled-up' | 'late' | 'missing' | 'open' | 'empty' | 'unreadable';

export const BAD_STATES: readonly HourState[] = ['late', 'missing', 'unreadable'];

export interface HourStatus {
  hour: Hour;
  /** Where the stack told of its streams. */
  stream?: string;
  state: HourState;
  source: string;
  destination: string;
  /** In raw now, without empty ones. Sizes are in bytes. */
  objects: number;
  bytes: number;
  /** Sources and outputs of the commit. */
  rolledUp: number;
  outputs: number;
  /** Raw objects that are not in the rollup, or not as they are now. */
  late: number;
  /** Why the manifest is unreadable. */
  problem?: string;
}

/** Reads the manifest with its index, and lists raw; nothing else. */
export async function readHourStatus(
  sides: Sides,
  hour: Hour,
  { source, destination }: { source: Location; destination: Location },
  now: Date,
): Promise<HourStatus> {
  const committed = await readCommitted(sides.store, destination, source).catch((error: unknown) => {
    if (error instanceof Error && hasCode(error, 'BadManifest', 'ManifestVersion', 'ManifestOfAnotherSource'))
      return error;
    throw error;
  });
  const problem = committed instanceof Error ? committed.message : undefined;
  const rollup = committed instanceof Error ? undefined : committed;
  const etags = new Map(rollup?.sources.map(({ key, etag, size }) => [key, `${etag} ${size}`]));
  const select = rollup === undefined ? undefined : committedSelector(rollup.manifest, source.prefix);
  const counts = { objects: 0, bytes: 0, late: 0 };
  for await (const page of rawOf(sides).list(source)) {
    for (const { key, size, etag } of page) {
      if (size === 0) continue;
      counts.objects++;
      counts.bytes += size;
      const isLate = rollup !== undefined && etags.get(key) !== `${etag} ${size}`;
      if (isLate && select?.(key) !== undefined) counts.late++;
    }
  }
  return {
    hour,
    state: problem !== undefined ? 'unreadable' : stateOf(rollup, counts, now < hourEnd(hour)),
    source: formatLocation(source),
    destination: formatLocation(destination),
    ...counts,
    rolledUp: rollup?.manifest.totals.objects ?? 0,
    outputs: rollup?.manifest.totals.outputs ?? 0,
    ...(problem === undefined ? {} : { problem }),
  };
}

function stateOf(
  rollup: Rollup | undefined,
  { objects, late }: { objects: number; late: number },
  goesOn: boolean,
): HourState {
  if (rollup !== undefined) return late > 0 ? 'late' : 'rolled-up';
  if (objects === 0) return 'empty';
  return goesOn ? 'open' : 'missing';
}

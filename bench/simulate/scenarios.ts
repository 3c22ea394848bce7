import { DEFAULT_SETTINGS } from '../../lambda/settings/settings.ts';
import { type Settings } from '../../lambda/settings/table.ts';
import { FIGURES, type Figures } from './figures.ts';
import type { HourOptions, Model, SimulatedHour } from './hour.ts';
import type { Sizes } from './transfer.ts';

export const MEMORIES = [512, 768, 1024, 1280, 1769, 2048, 3008] as const;
export const CONCURRENCIES = [16, 32, 64, 128, 250] as const;
export const OUTPUTS_IN_FLIGHT = [1, 2, 3, 4, 6, 8] as const;
/** Memory in MB as the stack deploys it. */
export const DEFAULT_MEMORY = 1024;

export interface Load extends Sizes {
  objects: number;
}

export const MISSION: Load = { objects: 30_000, minSize: 100_000, maxSize: 1_000_000 };

/** Hours with more of the same objects, and with the same bytes in smaller objects. */
export const LOADS: Load[] = [
  MISSION,
  { ...MISSION, objects: 300_000 },
  { ...MISSION, objects: 3_000_000 },
  { objects: 300_000, minSize: 10_000, maxSize: 100_000 },
  { objects: 3_000_000, minSize: 1000, maxSize: 10_000 },
];

/** The same hour with one assumption changed. */
export const ASSUMPTIONS: { name: string; figures: Figures }[] = [
  { name: 'as assumed', figures: FIGURES },
  { name: 'core half as fast', figures: changed('lambda', { coreRatio: FIGURES.lambda.coreRatio / 2 }) },
  { name: 'network shared by both ways', figures: changed('network', { shared: true }) },
  {
    name: 'network twice as fast',
    figures: changed('network', { bandwidth: 2 * FIGURES.network.bandwidth }),
  },
  { name: 'first byte after 20 ms', figures: changed('latency', { get: { median: 0.02, p99: 0.2 } }) },
  { name: 'first byte after 40 ms', figures: changed('latency', { get: { median: 0.04, p99: 0.2 } }) },
];

function changed<Part extends keyof Figures>(part: Part, by: Partial<Figures[Part]>): Figures {
  return { ...FIGURES, [part]: { ...FIGURES[part], ...by } };
}

export interface Setting {
  memory: number;
  concurrency: number;
  outputsInFlight?: number;
}

export function hourAt(model: Model, load: Load, { memory, ...given }: Setting): SimulatedHour {
  const settings: Settings = { ...DEFAULT_SETTINGS, ...given };
  const options: HourOptions = { ...load, memory, settings };
  return model(options);
}

export interface Pick extends Setting {
  hour: SimulatedHour & { fits: true };
}

/** The cheapest and the fastest of all memory sizes and concurrencies. Undefined if none fits. */
export function best(model: Model, load: Load): { cheapest: Pick; fastest: Pick } | undefined {
  const picks = MEMORIES.flatMap((memory) =>
    CONCURRENCIES.flatMap((concurrency): Pick[] => {
      const hour = hourAt(model, load, { memory, concurrency });
      return hour.fits ? [{ memory, concurrency, hour }] : [];
    }),
  );
  const least = (figure: (pick: Pick) => number): Pick | undefined =>
    picks.toSorted((a, b) => figure(a) - figure(b))[0];
  const cheapest = least(({ hour }) => hour.dollars);
  const fastest = least(({ hour }) => hour.seconds);
  return cheapest === undefined || fastest === undefined ? undefined : { cheapest, fastest };
}

/** Most objects of these sizes that one invocation can roll up in its time. */
export function mostInOneInvocation(model: Model, load: Load, setting: Setting): number {
  let [low, high] = [0, 10_000_000];
  while (high - low > 1000) {
    const objects = Math.round((low + high) / 2);
    const hour = hourAt(model, { ...load, objects }, setting);
    if (hour.fits && hour.invocations === 1) low = objects;
    else high = objects;
  }
  return low;
}

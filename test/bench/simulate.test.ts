import { describe, expect, it } from 'vitest';
import { FIGURES } from '../../bench/simulate/figures.ts';
import { type SimulatedHour, createModel } from '../../bench/simulate/hour.ts';
import { latencies, meanLatency } from '../../bench/simulate/latency.ts';
import {
  CONCURRENCIES,
  MEMORIES,
  MISSION,
  OUTPUTS_IN_FLIGHT,
  type Load,
  hourAt,
} from '../../bench/simulate/scenarios.ts';

/** More resources may cost a little time by another order of events: Graham's anomalies. */
const TOLERANCE = 1.03;
const model = createModel(FIGURES);
const LOAD: Load = { ...MISSION, objects: 3000 };

function fitting(hour: SimulatedHour): SimulatedHour & { fits: true } {
  if (!hour.fits) throw new Error(hour.why);
  return hour;
}

describe('the simulation', () => {
  it('gives the same hour for the same seed, and another for another', () => {
    const at = { memory: 1769, concurrency: 64 };
    const [a, b, c] = [1, 1, 2].map((seed) => hourAt(createModel(FIGURES, seed), LOAD, at));
    expect(a).toEqual(b);
    expect(a).not.toEqual(c);
  });

  // At higher concurrency, outputs may fall into step, all downloading or all uploading, and a faster core can make it worse.
  it.each(CONCURRENCIES.filter((most) => most <= 64))(
    'is not slower with more memory, at concurrency %i',
    (concurrency) => {
      const seconds = MEMORIES.map((memory) => fitting(hourAt(model, LOAD, { memory, concurrency })).seconds);
      for (const [i, now] of seconds.entries())
        expect(now).toBeLessThan((seconds[i - 1] ?? now + 1) * TOLERANCE);
    },
  );

  it('is not slower with more outputs in flight', () => {
    const seconds = OUTPUTS_IN_FLIGHT.map(
      (outputsInFlight) =>
        fitting(hourAt(model, LOAD, { memory: 1769, concurrency: 64, outputsInFlight })).seconds,
    );
    for (const [i, now] of seconds.entries())
      expect(now).toBeLessThan((seconds[i - 1] ?? now + 1) * TOLERANCE);
  });

  it.each(MEMORIES)('is never faster than a core or the network, at %i MB', (memory) => {
    const hour = fitting(hourAt(model, LOAD, { memory, concurrency: 64 }));
    expect(hour.seconds).toBeGreaterThan(Math.max(hour.cpuSeconds, hour.networkSeconds));
  });

  it('takes longer and costs more with every object', () => {
    const at = { memory: 1769, concurrency: 64 };
    const hours = [1000, 10_000, 30_000, 100_000].map((objects) =>
      fitting(hourAt(model, { ...MISSION, objects }, at)),
    );
    const ascending = (figures: number[]): boolean =>
      figures.every((figure, i) => i === 0 || figure > (figures[i - 1] ?? 0));
    expect(ascending(hours.map(({ seconds }) => seconds))).toBe(true);
    expect(ascending(hours.map(({ dollars }) => dollars))).toBe(true);
  });

  it('goes on in a second invocation once the first has no time left, and pays for its listing again', () => {
    const short = createModel({ ...FIGURES, lambda: { ...FIGURES.lambda, timeout: 60 } });
    const at = { memory: 1769, concurrency: 64 };
    const one = fitting(hourAt(model, { ...MISSION, objects: 10_000 }, at));
    const several = fitting(hourAt(short, { ...MISSION, objects: 10_000 }, at));
    expect(one.invocations).toBe(1);
    expect(several.invocations).toBeGreaterThan(1);
    expect(several.seconds).toBeGreaterThan(one.seconds);
    expect(several.dollars).toBeGreaterThan(one.dollars);
  });

  it('says that an hour does not fit if memory or time never suffice', () => {
    const at = { memory: 512, concurrency: 64 };
    const large = { ...FIGURES, memory: { ...FIGURES.memory, base: 2 ** 30 } };
    expect(hourAt(createModel(large), LOAD, at)).toMatchObject({ fits: false, why: 'memory' });
    const hasty = { ...FIGURES, lambda: { ...FIGURES.lambda, timeout: 6 } };
    expect(hourAt(createModel(hasty), LOAD, at)).toMatchObject({ fits: false, why: 'no progress' });
  });
});

describe('latencies', () => {
  it('have the median, the tail and the mean that were asked for', () => {
    const options = { median: 0.03, p99: 0.2 };
    const latency = latencies(options, 7);
    const drawn = Array.from({ length: 20_000 }, (_, n) => latency(n)).toSorted((a, b) => a - b);
    expect(drawn[10_000]).toBeCloseTo(0.03, 2);
    expect(drawn[19_800]).toBeGreaterThan(0.17);
    expect(drawn[19_800]).toBeLessThan(0.23);
    expect(drawn.reduce((sum, each) => sum + each) / drawn.length).toBeCloseTo(meanLatency(options), 2);
  });
});

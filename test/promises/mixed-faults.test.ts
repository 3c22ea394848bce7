import { describe, expect, it } from 'vitest';
import { faultTrial } from './support/trials.ts';

const SEEDS = Array.from({ length: 12 }, (_, i) => i + 1);

describe('faults of every kind, mixed', () => {
  it('end in an exact commit, or in an error that says what it was', async () => {
    const trials = await Promise.all(SEEDS.map(async (seed) => ({ seed, ...(await faultTrial(seed)) })));
    expect(trials.filter(({ problems }) => problems.length > 0)).toEqual([]);
    const kinds = new Set(trials.flatMap(({ injected }) => [...injected.keys()]));
    expect(kinds.size).toBeGreaterThan(7);
  });
});

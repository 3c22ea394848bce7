import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { anyScenario, expectedEnds } from './any-scenario.ts';
import { play } from './interleaving.ts';

const TRIALS = Number(process.env['INTERLEAVINGS'] ?? 400);

describe('runs of one hour at the same time', () => {
  it('lose nothing, whatever the order of their requests', async () => {
    await fc.assert(
      fc.asyncProperty(anyScenario, fc.scheduler(), async (played, s) => {
        const turn = (what: string): Promise<void> => s.schedule(Promise.resolve(), what);
        const { ends, violations } = await play(played, turn, (done) => s.waitFor(done));
        expect(violations).toEqual([]);
        expect(ends.filter((end) => !expectedEnds.has(end))).toEqual([]);
      }),
      {
        numRuns: TRIALS,
        ...(process.env['SEED'] === undefined ? {} : { seed: Number(process.env['SEED']) }),
      },
    );
  });
});

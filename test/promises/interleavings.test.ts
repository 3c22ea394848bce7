import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { anyCodedScenario, anyScenario, unexpectedEnds } from './support/any-scenario.ts';
import { type Scenario, play } from './support/interleaving.ts';

const TRIALS = Number(process.env['INTERLEAVINGS'] ?? 400);

describe('runs of one hour at the same time', () => {
  it.each([
    ['as they are', anyScenario, TRIALS],
    ['decoded', anyCodedScenario, Math.ceil(TRIALS / 4)],
  ] as const)(
    'lose nothing, whatever the order of their requests: sources %s',
    async (_, scenarios, numRuns) => {
      await fc.assert(
        fc.asyncProperty<[Scenario, fc.Scheduler]>(scenarios, fc.scheduler(), async (played, s) => {
          const turn = (what: string): Promise<void> => s.schedule(Promise.resolve(), what);
          const { ends, violations } = await play(played, turn, (done) => s.waitFor(done));
          expect(violations).toEqual([]);
          expect(unexpectedEnds(ends, played)).toEqual([]);
        }),
        {
          numRuns,
          ...(process.env['SEED'] === undefined ? {} : { seed: Number(process.env['SEED']) }),
        },
      );
    },
  );
});

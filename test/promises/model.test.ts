import fc from 'fast-check';
import { describe, it } from 'vitest';
import { openHour } from './hour.ts';
import { commands } from './model.ts';

const TRIALS = Number(process.env['HISTORIES'] ?? 25);

describe('any history of an hour', () => {
  it('is committed as the model says', async () => {
    await fc.assert(
      fc.asyncProperty(fc.commands(commands, { maxCommands: 14, size: 'max' }), async (history) => {
        await using hour = await openHour();
        await fc.asyncModelRun(
          () => ({ model: { raw: new Map(), committed: new Map() }, real: { hour } }),
          history,
        );
      }),
      { numRuns: TRIALS, endOnFailure: false },
    );
  });
});

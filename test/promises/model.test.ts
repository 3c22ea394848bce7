import fc from 'fast-check';
import { describe, it } from 'vitest';
import type { Settings } from '../../lambda/settings/table.ts';
import { openWatchedBucket } from './support/watched-bucket.ts';
import { commands } from './support/model.ts';

const TRIALS = Number(process.env['HISTORIES'] ?? 15);

describe('any history of an hour', () => {
  it.each<[Settings['codec'], number, number]>([
    ['keep', 0, TRIALS],
    ['gzip', 0, Math.ceil(TRIALS / 3)],
    ['none', 0, Math.ceil(TRIALS / 5)],
    ['gzip', 1, Math.ceil(TRIALS / 5)],
    ['none', 1, Math.ceil(TRIALS / 3)],
  ])(
    'is committed as the model says, with codec %s, %i header lines',
    async (codec, headerLines, numRuns) => {
      await fc.assert(
        fc.asyncProperty(fc.commands(commands, { maxCommands: 14, size: 'max' }), async (history) => {
          await using bucket = await openWatchedBucket({ codec, headerLines });
          await fc.asyncModelRun(
            () => ({ model: { raw: new Map(), committed: new Map() }, real: { bucket } }),
            history,
          );
        }),
        { numRuns, endOnFailure: false },
      );
    },
  );
});

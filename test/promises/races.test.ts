import { describe, expect, it } from 'vitest';
import { MiB } from '../../lambda/size.ts';
import { bodyOf, endOf, openHour } from './support/hour.ts';
import { race } from './support/race.ts';

describe('two to eight runs of one hour at once, sources coming, changing and expiring', () => {
  it.each(Array.from({ length: 12 }, (_, i) => i + 1))('seed %i', async (seed) => {
    const { problems } = await race(seed);
    expect(problems).toEqual([]);
  });
});

describe('a source that has left raw', () => {
  // Of an object of 5 MiB or less S3 copies no range.
  it.each([5 * MiB, 5 * MiB + 1])('is repacked from an output of its own, of %i bytes', async (size) => {
    await using hour = await openHour({ targetSize: 5 * MiB });
    hour.put('a.log', bodyOf('a', 1, size));
    expect(endOf(await hour.roll())).toBe('committed');
    hour.expire('a.log');
    expect(endOf(await hour.roll({ repack: true }))).toBe('committed');
    expect(await hour.settle()).toEqual([]);
  });
});

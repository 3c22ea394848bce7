import { describe, expect, it } from 'vitest';
import { MiB } from '../../lambda/size.ts';
import { bodyOf, endOf, openWatchedBucket } from './support/watched-bucket.ts';
import { race } from './support/race.ts';

describe('two to eight runs of one hour at once, sources coming, changing and expiring', () => {
  it.each(Array.from({ length: 12 }, (_, i) => i + 1))('lose nothing, with seed %i', async (seed) => {
    const { problems } = await race(seed);
    expect(problems).toEqual([]);
  });
});

describe('a source that has left raw', () => {
  // Of an object of 5 MiB or less S3 copies no range.
  it.each([5 * MiB, 5 * MiB + 1])('is repacked from an output of its own, of %i bytes', async (size) => {
    await using bucket = await openWatchedBucket({ targetSize: 5 * MiB });
    bucket.putLog('a.log', bodyOf('a', 1, size));
    expect(endOf(await bucket.tryRoll())).toBe('committed');
    bucket.remove('a.log');
    expect(endOf(await bucket.tryRoll({ repack: true }))).toBe('committed');
    expect(await bucket.settle()).toEqual([]);
  });
});

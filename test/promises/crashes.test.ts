import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MiB } from '../../lambda/size.ts';
import { Runners } from './support/crash.ts';
import { AGGREGATED, type Hour, MANIFEST_KEY, bodyOf, endOf, openHour } from './support/hour.ts';

/** A multipart upload, a small output, and a copy; with a codec, all are written as streams, beside their sidecars. */
async function openVariedHour(codec: 'keep' | 'none'): Promise<Hour> {
  const hour = await openHour({ targetSize: 6 * MiB, concurrency: 2, codec });
  if (codec === 'keep') {
    for (const name of ['a', 'b']) hour.put(`${name}.log`, bodyOf(name, 1, 3 * MiB));
    hour.put('c.log', bodyOf('c', 1, 6 * MiB));
  } else {
    hour.put('a.log.gz', bodyOf('a', 1, 50));
    hour.put('b.log', bodyOf('b', 1, 6 * MiB));
  }
  hour.put('d.log', bodyOf('d', 2, 100));
  return hour;
}

/**
 * Keys and bytes of what is committed, the manifest but for when it was written, and the index. Sidecars that a killed run
 * did not come to delete are swept.
 */
function committed(hour: Hour): unknown {
  const manifest = JSON.parse(String(hour.bucket.get(MANIFEST_KEY))) as Record<string, unknown>;
  const keys = hour.bucket
    .keys(AGGREGATED)
    .filter((key) => key !== MANIFEST_KEY && !key.includes('/_frames/'));
  return [{ ...manifest, createdAt: '' }, keys.map((key) => [key, hour.bucket.etag(key)])];
}

describe('a process that is killed', () => {
  let runners: Runners;
  beforeAll(() => {
    runners = new Runners();
  });
  afterAll(() => {
    runners[Symbol.dispose]();
  });

  it.each<['keep' | 'none', number]>([
    ['keep', 12],
    ['none', 16],
  ])(
    'at any of its requests, leaves nothing behind that the next run does not bring in order: %s',
    async (codec, least) => {
      await using calm = await openVariedHour(codec);
      expect(endOf(await calm.roll())).toBe('committed');
      const expected = committed(calm);
      let kills = 0;
      for (let request = 1; ; request++) {
        await using hour = await openVariedHour(codec);
        const wasKilled = await runners.runAndKill(hour, { request, effect: request % 2 === 0 });
        expect(['committed', 'unchanged']).toContain(endOf(await hour.roll()));
        expect(committed(hour)).toEqual(expected);
        expect(await hour.settle()).toEqual([]);
        if (!wasKilled) break;
        kills++;
      }
      expect(kills).toBeGreaterThan(least);
    },
  );
});

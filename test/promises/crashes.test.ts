import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MiB } from '../../lambda/size.ts';
import { Runners } from './support/crash.ts';
import {
  AGGREGATED,
  type WatchedBucket,
  MANIFEST_KEY,
  bodyOf,
  endOf,
  openWatchedBucket,
} from './support/watched-bucket.ts';

/** A little more than the least part that S3 takes. */
const TARGET = 5.25 * MiB;

/**
 * The objects of an hour that becomes a multipart upload, a small output, and a copy; with a codec, all are written as streams,
 * beside their sidecars.
 */
function variedHour(codec: 'keep' | 'none', headerLines: number): [name: string, body: Buffer][] {
  const small: [string, Buffer] = ['d.log', bodyOf('d', 2, 100)];
  if (headerLines > 0) {
    const [header, other] = ['#header\n', '#other\n'].map((text) => Buffer.from(text)) as [Buffer, Buffer];
    return [
      ['a.log', Buffer.concat([header, bodyOf('a', 1, TARGET / 2)])],
      ['b.log', Buffer.concat([header, bodyOf('b', 1, 50)])],
      ['c.log', Buffer.concat([other, bodyOf('c', 1, TARGET / 2)])],
      small,
    ];
  }
  if (codec === 'keep') {
    const [a, b] = ['a', 'b'].map((name) => bodyOf(name, 1, TARGET / 2)) as [Buffer, Buffer];
    return [['a.log', a], ['b.log', b], ['c.log', bodyOf('c', 1, TARGET)], small];
  }
  return [['a.log.gz', bodyOf('a', 1, 50)], ['b.log', bodyOf('b', 1, TARGET)], small];
}

/**
 * Keys and bytes of what is committed, the manifest but for when it was written, and the index. Sidecars, and objects by which
 * the store is tried out, that a killed run did not come to delete are swept.
 */
function committed(bucket: WatchedBucket): unknown {
  const manifest = JSON.parse(String(bucket.objects.get(MANIFEST_KEY))) as Record<string, unknown>;
  const keys = bucket.objects
    .keys(AGGREGATED)
    .filter((key) => key !== MANIFEST_KEY && !/\/_(frames\/|delete-proof-)/.test(key));
  return [{ ...manifest, createdAt: '' }, keys.map((key) => [key, bucket.objects.etag(key)])];
}

describe.concurrent('a process that is killed', () => {
  let runners: Runners;
  beforeAll(() => {
    runners = new Runners();
  });
  afterAll(() => {
    runners[Symbol.dispose]();
  });

  it.each<['keep' | 'none', number, number]>([
    ['keep', 0, 12],
    ['none', 0, 16],
    ['keep', 1, 16],
  ])(
    'at any of its requests, leaves nothing behind that the next run does not bring in order: %s, %i header lines',
    async (codec, headerLines, least) => {
      const hour = variedHour(codec, headerLines);
      const open = async (): Promise<WatchedBucket> => {
        const bucket = await openWatchedBucket({ targetSize: TARGET, concurrency: 2, codec, headerLines });
        for (const [name, body] of hour) bucket.putLog(name, body);
        return bucket;
      };
      await using calm = await open();
      expect(endOf(await calm.roll())).toBe('committed');
      const expected = committed(calm);
      let kills = 0;
      for (let request = 1; ; request++) {
        await using bucket = await open();
        const wasKilled = await runners.runAndKill(bucket, { request, effect: request % 2 === 0 });
        expect(['committed', 'unchanged']).toContain(endOf(await bucket.tryRoll()));
        expect(committed(bucket)).toEqual(expected);
        expect(await bucket.settle()).toEqual([]);
        if (!wasKilled) break;
        kills++;
      }
      expect(kills).toBeGreaterThan(least);
    },
  );
});

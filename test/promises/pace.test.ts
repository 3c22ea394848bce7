import { describe, expect, it } from 'vitest';
import { standInLimiterClock } from '../support/limiter-clock.ts';
import { RAW, openWatchedBucket } from './support/watched-bucket.ts';

const THROTTLED = 8;
const DOWNLOAD_MS = 5;

describe('SlowDown', () => {
  it('of a few requests slows all of them', async () => {
    await using bucket = await openWatchedBucket({ targetSize: 2 ** 20, concurrency: 16 });
    for (let i = 0; i < 1000; i++) bucket.putLog(`${i}.log`, Buffer.from(`${i}\n`));
    const clock = standInLimiterClock();
    const arrivals: number[] = [];
    const stop = new AbortController();
    const victims = new Set<string>();
    let throttledAt = Infinity;
    bucket.sandbox.hook = ({ operation, key = '' }) => {
      if (operation !== 'GetObject' || !key.startsWith(RAW)) return undefined;
      clock.pass(DOWNLOAD_MS);
      const now = clock.now();
      if (!victims.has(key)) arrivals.push(now);
      // The limiter counts by half seconds: it has to have seen what the rate was.
      if (now > 1500 && victims.size < THROTTLED) {
        throttledAt = Math.min(throttledAt, now);
        victims.add(key);
        return { kind: 'error', status: 503, code: 'SlowDown' };
      }
      if (now - throttledAt > 1500) stop.abort();
      return undefined;
    };
    const end = await bucket.tryRoll({ signal: stop.signal });
    expect(end).toMatchObject({ code: 'Aborted' });
    expect(victims.size).toBe(THROTTLED);
    // Every victim is one key; what is counted is the others.
    const before = arrivals.filter((at) => at > throttledAt - 1000 && at < throttledAt).length;
    const after = arrivals.filter((at) => at > throttledAt + 300 && at < throttledAt + 1300).length;
    expect(before).toBeGreaterThan(50);
    expect(after).toBeGreaterThan(0);
    expect(after).toBeLessThan(before / 2);
    expect(bucket.objects.keys(RAW)).toHaveLength(1000);
  });
});

import { describe, expect, it } from 'vitest';
import type { RollupError } from '../../lambda/errors.ts';
import { BUCKET, RAW, openHour } from './support/hour.ts';

const THROTTLED = 8;

describe('SlowDown', () => {
  it('of a few requests slows all of them', async () => {
    await using hour = await openHour({ targetSize: 2 ** 20, concurrency: 16 });
    for (let i = 0; i < 6000; i++) hour.put(`${i}.log`, Buffer.from(`${i}\n`));
    const arrivals: number[] = [];
    const stop = new AbortController();
    const victims = new Set<string>();
    let throttledAt = Infinity;
    hour.sandbox.hook = ({ operation, key = '' }) => {
      if (operation !== 'GetObject' || !key.startsWith(RAW)) return undefined;
      const now = performance.now();
      const first = arrivals[0] ?? now;
      if (!victims.has(key)) arrivals.push(now);
      // The limiter counts by half seconds: it has to have seen what the rate was.
      if (now - first > 1500 && victims.size < THROTTLED) {
        throttledAt = Math.min(throttledAt, now);
        victims.add(key);
        return { kind: 'error', status: 503, code: 'SlowDown' };
      }
      if (now - throttledAt > 1500) stop.abort();
      return undefined;
    };
    const end = (await hour.roll({ signal: stop.signal })) as RollupError;
    expect(victims.size).toBe(THROTTLED);
    // Every victim is one key; what is counted is the others.
    const before = arrivals.filter((at) => at > throttledAt - 1000 && at < throttledAt).length;
    const after = arrivals.filter((at) => at > throttledAt + 300 && at < throttledAt + 1300).length;
    expect(before).toBeGreaterThan(50);
    expect(after).toBeLessThan(before / 2);
    expect(end.code).toBe('Aborted');
    expect(hour.sandbox.keys(BUCKET, RAW)).toHaveLength(6000);
  });
});

import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { MiB } from '../../lambda/size.ts';
import type { Fault } from '../../sandbox/sandbox.ts';
import { AGGREGATED, BUCKET, MANIFEST_KEY, RAW, bodyOf, endOf, openHour } from './support/hour.ts';

const REFUSED: Fault = { kind: 'error', status: 403, code: 'AccessDenied' };

describe('a run that fails', () => {
  it('stops what else it was going to do', async () => {
    await using hour = await openHour({ targetSize: MiB, concurrency: 4 });
    for (let i = 100; i < 200; i++) hour.put(`${i}.log`, bodyOf(String(i), 1, 50));
    let downloads = 0;
    hour.sandbox.hook = ({ operation, key = '' }) => {
      if (operation === 'GetObject' && key.startsWith(RAW)) downloads++;
      return key === `${RAW}102.log` ? REFUSED : undefined;
    };
    expect(endOf(await hour.roll())).toBe('AccessDenied');
    expect(downloads).toBeLessThan(40);
  });

  it('ends an upload that was just being begun', async () => {
    await using hour = await openHour({ targetSize: 6 * MiB, concurrency: 1 });
    for (const name of ['a', 'b', 'c', 'd']) hour.put(`${name}.log`, bodyOf(name, 1, 3 * MiB));
    const begun = Promise.withResolvers<undefined>();
    hour.sandbox.hook = async ({ operation, key = '' }) => {
      if (operation === 'CreateMultipartUpload') {
        // Takes effect after the other output has failed.
        await delay(500);
        begun.resolve(undefined);
      }
      return key === `${RAW}d.log` ? REFUSED : undefined;
    };
    expect(endOf(await hour.roll())).toBe('AccessDenied');
    // Though nobody may have waited for its answer.
    await begun.promise;
    await delay(50);
    expect(hour.openUploads()).toEqual([]);
  });
});

describe('a run with another part size', () => {
  it('does not overwrite an output that was committed meanwhile', async () => {
    await using hour = await openHour({ targetSize: 6 * MiB });
    for (const name of ['a', 'b']) hour.put(`${name}.log`, bodyOf(name, 1, 4 * MiB));
    const other = { ...hour.settings, partSize: 6 * MiB };
    const reached = Promise.withResolvers<undefined>();
    const held = Promise.withResolvers<undefined>();
    let begun = 0;
    hour.sandbox.hook = async ({ operation }) => {
      hour.watch.check();
      if (operation === 'CreateMultipartUpload' && ++begun === 1) {
        reached.resolve(undefined);
        await held.promise;
      }
      return undefined;
    };
    const slow = hour.roll({
      settings: other,
      connection: hour.connect({ settings: other, timeouts: { headers: 60_000 } }),
    });
    await reached.promise;
    expect(endOf(await hour.roll())).toBe('committed');
    const { etag } = hour.sandbox.head(BUCKET, outputKey(hour.sandbox.get(BUCKET, MANIFEST_KEY))) ?? {};
    held.resolve(undefined);
    expect(endOf(await slow)).toBe('unchanged');
    expect(hour.sandbox.head(BUCKET, outputKey(hour.sandbox.get(BUCKET, MANIFEST_KEY)))?.etag).toBe(etag);
    expect(hour.problems()).toEqual([]);
  });
});

function outputKey(manifest: Buffer | undefined): string {
  const { outputs } = JSON.parse(String(manifest)) as { outputs: { key: string }[] };
  return outputs[0]?.key ?? AGGREGATED;
}

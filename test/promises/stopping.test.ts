import { describe, expect, it } from 'vitest';
import { MiB } from '../../lambda/size.ts';
import type { Fault } from '../../sandbox/sandbox.ts';
import { eventually, turns } from '../support/eventually.ts';
import {
  AGGREGATED,
  BUCKET,
  MANIFEST_KEY,
  RAW,
  bodyOf,
  endOf,
  openWatchedBucket,
} from './support/watched-bucket.ts';
import { isSample, isTrial } from '../support/hooks.ts';

const REFUSED: Fault = { kind: 'error', status: 403, code: 'AccessDenied' };

describe('a run that fails', () => {
  it('stops what else it was going to do', async () => {
    await using bucket = await openWatchedBucket({ targetSize: MiB, concurrency: 4 });
    // Some 20 outputs of 25 sources each.
    for (let i = 100; i < 600; i++) bucket.putLog(`${i}.log`, bodyOf(String(i), 1, 40 * 1024));
    let downloads = 0;
    bucket.sandbox.hook = ({ operation, key = '' }) => {
      if (operation === 'GetObject' && key.startsWith(RAW)) downloads++;
      return key === `${RAW}102.log` ? REFUSED : undefined;
    };
    expect(endOf(await bucket.tryRoll())).toBe('AccessDenied');
    expect(downloads).toBeLessThan(40);
  });

  it('ends an upload that was just being begun', async () => {
    await using bucket = await openWatchedBucket({ targetSize: 6 * MiB, concurrency: 1 });
    for (const name of ['a', 'b', 'c', 'd']) bucket.putLog(`${name}.log`, bodyOf(name, 1, 3 * MiB));
    const begun = Promise.withResolvers<undefined>();
    const refused = Promise.withResolvers<undefined>();
    let refusals = 0;
    bucket.sandbox.hook = async (request) => {
      const { operation, key = '' } = request;
      if (operation === 'CreateMultipartUpload' && !isTrial(request)) {
        // Takes effect after the other output has failed.
        await refused.promise;
        await eventually(() => {
          expect(bucket.sandbox.stats().inFlight).toBe(1);
        });
        await turns(500);
        begun.resolve(undefined);
      }
      if (key !== `${RAW}d.log` || isSample(request)) return undefined;
      // It is asked for once past the SDK, and once through it.
      if (++refusals === 2) refused.resolve(undefined);
      return REFUSED;
    };
    expect(endOf(await bucket.tryRoll())).toBe('AccessDenied');
    // Though nobody may have waited for its answer.
    await begun.promise;
    await eventually(() => {
      expect(bucket.sandbox.stats().inFlight).toBe(0);
    });
    await turns(100);
    expect(bucket.openUploads()).toEqual([]);
  });
});

describe('a run with another part size', () => {
  it('does not overwrite an output that was committed meanwhile', async () => {
    await using bucket = await openWatchedBucket({ targetSize: 6 * MiB });
    for (const name of ['a', 'b']) bucket.putLog(`${name}.log`, bodyOf(name, 1, 4 * MiB));
    const other = { ...bucket.settings, partSize: 6 * MiB };
    const reached = Promise.withResolvers<undefined>();
    const held = Promise.withResolvers<undefined>();
    let begun = 0;
    bucket.sandbox.hook = async ({ operation }) => {
      bucket.watch.check();
      if (operation === 'CreateMultipartUpload' && ++begun === 1) {
        reached.resolve(undefined);
        await held.promise;
      }
      return undefined;
    };
    const slow = bucket.tryRoll({
      settings: other,
      connection: bucket.connect(other, { timeouts: { headers: 60_000 } }),
    });
    await reached.promise;
    expect(endOf(await bucket.tryRoll())).toBe('committed');
    const { etag } = bucket.sandbox.head(BUCKET, outputKey(bucket.sandbox.get(BUCKET, MANIFEST_KEY))) ?? {};
    held.resolve(undefined);
    expect(endOf(await slow)).toBe('unchanged');
    expect(bucket.sandbox.head(BUCKET, outputKey(bucket.sandbox.get(BUCKET, MANIFEST_KEY)))?.etag).toBe(etag);
    expect(bucket.problems()).toEqual([]);
  });
});

function outputKey(manifest: Buffer | undefined): string {
  const { outputs } = JSON.parse(String(manifest)) as { outputs: { key: string }[] };
  return outputs[0]?.key ?? AGGREGATED;
}

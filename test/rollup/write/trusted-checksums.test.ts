import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { RunResult } from '../../../lambda/run.ts';
import { MiB } from '../../../lambda/size.ts';
import type { Fault } from '../../../sandbox/sandbox.ts';
import {
  DESTINATION,
  RAW,
  type WatchedBucket,
  bodyOf,
  openWatchedBucket,
} from '../../promises/support/watched-bucket.ts';
import { isSample } from '../../support/hooks.ts';

const SECOND = `${RAW}b.log`;

/** An hour of one output with two parts of 5 MiB: `b.log` lies in both, and does not end with a newline. */
async function openHour(): Promise<WatchedBucket> {
  const bucket = await openWatchedBucket({ targetSize: 8 * MiB });
  for (const name of ['a', 'b', 'c'])
    bucket.putLog(`${name}.log`, bodyOf(name, name === 'b' ? 0 : 1, 3 * MiB), { hasCrc32: true });
  return bucket;
}

/** Gives the first download of a source a fault, and counts downloads. */
function damage(bucket: WatchedBucket, victim: string, fault: Fault, times = 1) {
  const downloads: string[] = [];
  bucket.sandbox.hook = (request) => {
    const { operation, key = '' } = request;
    if (operation !== 'GetObject' || !key.startsWith(RAW) || isSample(request)) return undefined;
    downloads.push(key.slice(RAW.length));
    return key === victim && downloads.filter((name) => RAW + name === victim).length <= times
      ? fault
      : undefined;
  };
  return { downloads };
}

function warned({ warnings = [] }: RunResult) {
  return warnings.map(({ code, key }) => [code, key]);
}

describe('a byte that was flipped on its way is found by the upload, the source is named and downloaded again', () => {
  it.each([
    ['in a source that lies in one part', `${RAW}a.log`, 7],
    ['in a source that lies in two parts, in the first', SECOND, 0],
    ['in a source that lies in two parts, in the second', SECOND, 3 * MiB - 10],
    ['in the last newline of a source', `${RAW}a.log`, 3 * MiB - 1],
    ['in the last byte of a source that lacks its newline', SECOND, 3 * MiB - 1],
  ])('%s', async (_, victim, atByte) => {
    await using bucket = await openHour();
    const { downloads } = damage(bucket, victim, { kind: 'corrupt', atByte });
    const result = await bucket.roll();
    expect(result.status).toBe('committed');
    expect(warned(result)).toEqual([['ArrivedDamaged', victim]]);
    expect(bucket.problems()).toEqual([]);
    expect(downloads.toSorted()).toEqual(['a', 'a', 'b', 'b', 'c', 'c'].map((name) => `${name}.log`));
    expect(result).toMatchObject({ objects: 3, bytes: 9 * MiB });
  });

  it('in an output of one request', async () => {
    await using bucket = await openWatchedBucket({ targetSize: MiB });
    for (const name of ['a.log', 'b.log']) bucket.putLog(name, bodyOf(name, 1, 1000), { hasCrc32: true });
    damage(bucket, SECOND, { kind: 'corrupt', atByte: 5 });
    expect(warned(await bucket.roll())).toEqual([['ArrivedDamaged', SECOND]]);
    expect(bucket.problems()).toEqual([]);
  });
});

it('a source is not taken for another format, or for a corrupt one, because of a byte that was flipped', async () => {
  for (const atByte of [0, 60]) {
    await using bucket = await openWatchedBucket({ targetSize: MiB });
    for (const name of ['a.log.gz', 'b.log.gz', 'c.log.gz', 'd.log.gz', 'e.log.gz'])
      bucket.putLog(name, gzipSync(bodyOf(name, 1, 200_000)), { hasCrc32: true });
    const { downloads } = damage(bucket, `${RAW}d.log.gz`, { kind: 'corrupt', atByte });
    expect(await bucket.roll()).toMatchObject({ status: 'committed', outputs: 1 });
    expect(bucket.problems()).toEqual([]);
    expect(downloads.filter((name) => name === 'd.log.gz')).toHaveLength(2);
  }
});

it.each([
  ['whatever comes', ['PutObject', 'UploadPart']],
  ['whatever comes as a part', ['UploadPart']],
])(
  'a store that stores %s is found out, and every source is checked as it arrives',
  async (_, operations) => {
    await using bucket = await openHour();
    const { downloads } = damage(bucket, SECOND, { kind: 'corrupt', atByte: 7 });
    const damaging = bucket.sandbox.hook;
    bucket.sandbox.hook = (request) =>
      operations.includes(request.operation) ? { kind: 'ignore-checksums' } : damaging?.(request);
    const result = await bucket.roll();
    expect(result).toMatchObject({ status: 'committed', requests: { retries: 1 } });
    expect(result.warnings).toBeUndefined();
    expect(bucket.problems()).toEqual([]);
    expect(downloads).toHaveLength(4);
    expect(
      bucket.sandbox.keys(DESTINATION.bucket, DESTINATION.prefix).filter((key) => /proof/.test(key)),
    ).toEqual([]);
  },
);

it('a source that always arrives damaged ends the run, and nothing is written', async () => {
  await using bucket = await openHour();
  damage(bucket, SECOND, { kind: 'corrupt', atByte: 7 }, Infinity);
  expect(await bucket.tryRoll()).toMatchObject({ code: 'ChecksumMismatch', key: SECOND });
  expect(bucket.objects.keys(DESTINATION.prefix)).toEqual([]);
  expect(bucket.openUploads()).toEqual([]);
});

import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { extract } from '../../../lambda/rollup/inspect/extract.ts';
import { verify } from '../../../lambda/rollup/inspect/verify.ts';
import { parseLocation } from '../../../lambda/rollup/model/location.ts';
import { ownerOf } from '../../../lambda/rollup/plan/pack.ts';
import { run } from '../../../lambda/run.ts';
import type { Settings } from '../../../lambda/settings/table.ts';
import { MiB } from '../../../lambda/size.ts';
import { REFUSED, matching, onNth } from '../../support/hooks.ts';
import {
  AGGREGATED,
  BUCKET,
  DESTINATION,
  MANIFEST_KEY,
  RAW,
  SETTINGS,
  type TestBucket,
  failureOf,
  joinedInKeyOrder,
  logLines,
  openTestBucket,
} from '../../support/test-bucket.ts';

const verified = (bucket: TestBucket, at = DESTINATION) =>
  verify(at, {
    store: bucket.connection.store,
    deep: true,
    concurrency: 4,
    progress: () => undefined,
    signal: new AbortController().signal,
  });

describe('sources that are left out', () => {
  const filters: Settings['filters'] = [{ exclude: '*.tmp' }, { exclude: 'b/*' }, { include: 'b/keep*' }];

  it('are counted, not read, and no late arrivals', async () => {
    await using bucket = await openTestBucket({ filters });
    for (const name of ['a.log', 'a.tmp', 'b/1.log', 'b/keep.log', 'b/keep.tmp', 'c/b/1.log'])
      bucket.put(name, logLines(100));
    bucket.put('empty.tmp', '');
    const result = await bucket.roll();
    expect(result).toMatchObject({ status: 'committed', objects: 4, skipped: { empty: 1, filtered: 2 } });
    const rolled = (await bucket.sources()).map(({ key }) => key.slice(RAW.length));
    expect(rolled).toEqual(['a.log', 'b/keep.log', 'b/keep.tmp', 'c/b/1.log']);
    expect(bucket.manifest.settings).toMatchObject({ filters });
    expect(bucket.manifest.totals.skipped).toEqual({ empty: 1, filtered: 2 });
    expect(bucket.requests('GetObject', `${RAW}a.tmp`)).toEqual([]);
    await bucket.expectSound();
    expect(await bucket.roll()).toMatchObject({ status: 'unchanged', written: 0 });

    bucket.put('b/late.log', logLines(100));
    await bucket.expectSound();
    bucket.put('late.log', logLines(100));
    expect((await verified(bucket)).problems).toMatchObject([
      { code: 'source-late', source: `${RAW}late.log` },
    ]);
  });

  it('stay committed where they are, changed in raw or not, also when their output is rebuilt', async () => {
    await using bucket = await openTestBucket();
    const bodies = ['a', 'b', 'c'].map((name, i) => [`${name}.log`, logLines(1_000 + i)] as const);
    for (const [name, body] of bodies) bucket.put(name, body);
    await bucket.roll();
    const settings = { ...SETTINGS, filters: [{ exclude: 'b*' }] };
    expect(await bucket.roll({ settings })).toMatchObject({ status: 'unchanged', skipped: { filtered: 0 } });

    bucket.put('b.log', logLines(2_000));
    bucket.put('c.log', logLines(3_000));
    bucket.put('bb.log', logLines(10));
    expect(await bucket.roll({ settings })).toMatchObject({
      status: 'committed',
      objects: 3,
      skipped: { empty: 0, filtered: 1 },
    });
    const now = new Map([...bodies, ['c.log', logLines(3_000)] as const]);
    expect(Buffer.concat(bucket.outputs().map(({ body }) => body)).equals(joinedInKeyOrder(now))).toBe(true);
    await bucket.expectSound();
  });

  it('may be all there are', async () => {
    await using bucket = await openTestBucket({ filters: [{ exclude: '*' }] });
    bucket.putHour(3);
    expect(await bucket.roll()).toMatchObject({ status: 'empty', objects: 0, skipped: { filtered: 3 } });
    await bucket.expectSound();
    expect(await bucket.roll({ settings: SETTINGS })).toMatchObject({ status: 'committed', objects: 3 });
  });
});

describe('sources in groups', () => {
  const SERVICES = ['checkout', 'search', 'audit'];
  const LEVELS = ['error', 'info'];
  const groupBy = '^([^/]+)/(\\w+)-';
  /** An hour of three services and two levels, each with a copy and more than one output; and what is in no group. */
  function fill(bucket: TestBucket): Map<string, Buffer> {
    const bodies = new Map<string, Buffer>();
    for (const service of SERVICES) {
      for (const level of LEVELS) {
        const large = level === 'info' ? 6 * MiB : 2_000;
        for (const [i, size] of [1_000, large, 1_500, 900].entries())
          bodies.set(`${service}/${level}-${i}.log`, logLines(size).subarray(0, -1));
        bodies.set(`${service}/${level}-z.log.gz`, gzipSync('any\n'));
      }
    }
    for (const [name, body] of bodies) bucket.put(name, body);
    bucket.put('README.log', 'in no group');
    return bodies;
  }

  /** Output keys below the destination, without index and digest. */
  const shapes = (bucket: TestBucket) =>
    bucket.manifest.outputs.map(({ key }) =>
      key.slice(AGGREGATED.length).replace(/part-\d+-[0-9a-f]{12}-/, 'part-'),
    );

  it('share outputs, in a folder of what was captured', async () => {
    await using bucket = await openTestBucket({ groupBy });
    const bodies = fill(bucket);
    const result = await bucket.roll();
    expect(result).toMatchObject({ status: 'committed', objects: 30, copied: 3, skipped: { filtered: 1 } });
    const owner = ownerOf(DESTINATION);
    expect([...new Set(shapes(bucket))].sort()).toEqual(
      SERVICES.flatMap((service) =>
        LEVELS.flatMap((level) => [
          `${service}/${level}/part-${owner}.log`,
          `${service}/${level}/part-${owner}.log.gz`,
        ]),
      ).sort(),
    );
    const byKey = new Map(bucket.outputs().map(({ key, body }) => [key, body]));
    const framed = new Map((await bucket.sources()).map((source) => [source.key.slice(RAW.length), source]));
    for (const [name, body] of bodies) {
      const { output = '', offset = 0, length = 0 } = framed.get(name) ?? {};
      const [, service = '', level = ''] = /^(\w+)\/(\w+)-/.exec(name) ?? [];
      expect(output.startsWith(`${AGGREGATED}${service}/${level}/part-`)).toBe(true);
      expect(
        byKey
          .get(output)
          ?.subarray(offset, offset + length)
          .equals(body),
      ).toBe(true);
    }
    await bucket.expectSound();
    const { bytes } = await extract(bucket.connection.store, DESTINATION, 'search/info-1.log');
    expect(await buffer(bytes)).toEqual(bodies.get('search/info-1.log'));

    const changed = framed.get('checkout/error-0.log')?.output ?? '';
    expect(await bucket.roll()).toMatchObject({ status: 'unchanged' });
    bucket.put('search/error-late.log', logLines(77));
    expect(await bucket.roll()).toMatchObject({ status: 'committed', written: 1, objects: 31 });
    expect(bucket.manifest.outputs.at(-1)?.key).toMatch(/\/search\/error\/part-00018-/);
    bucket.put('checkout/error-0.log', logLines(5_000));
    expect(await bucket.roll()).toMatchObject({ status: 'committed', written: 1, objects: 31 });
    expect(bucket.stored()).not.toContain(changed.slice(AGGREGATED.length));
    bucket.remove('audit/info-0.log');
    expect(await bucket.roll({ repack: true })).toMatchObject({
      status: 'committed',
      objects: 31,
      reused: 0,
    });
    await bucket.expectSound();
    // Without groups, a repack gathers them, and their folders are empty.
    expect(await bucket.roll({ repack: true, settings: SETTINGS })).toMatchObject({ objects: 32 });
    expect(bucket.stored().filter((name) => name.includes('/'))).toEqual([]);
    await bucket.expectSound();
  });

  it.each(['keep', 'gzip'] as const)('are found again after a kill, with codec %s', async (codec) => {
    await using bucket = await openTestBucket({ groupBy, codec, filters: [{ exclude: '*.gz' }] });
    fill(bucket);
    bucket.sandbox.hook = onNth(1, matching('PutObject', MANIFEST_KEY), REFUSED);
    await failureOf(bucket.roll());
    bucket.sandbox.hook = undefined;
    const { outputs, reused } = await bucket.roll();
    expect(reused).toBe(outputs);
    expect(outputs).toBeGreaterThanOrEqual(6);
    await bucket.expectSound();
    expect(await bucket.roll({ repack: true })).toMatchObject({
      status: 'committed',
      reused: 0,
      objects: 24,
    });
    await bucket.expectSound();
  });

  it('leave alone a rollup that lies in one of their folders, and it them', async () => {
    await using bucket = await openTestBucket({ groupBy: '^([^/]+)/' });
    const within = parseLocation(`s3://${BUCKET}/${AGGREGATED}checkout/`);
    const other = parseLocation(`s3://${BUCKET}/raw/other/`);
    const { connection } = bucket;
    const rollOther = () =>
      run({ source: other, destination: within }, connection, { settings: bucket.settings });
    bucket.put('checkout/1.log', logLines(500));
    bucket.sandbox.put(BUCKET, 'raw/other/checkout/1.log', logLines(600));
    await bucket.roll();
    await rollOther();
    // Leftovers of either, an age old.
    const [mine = '', theirs = ''] = [DESTINATION, within].map(
      (at) => `${AGGREGATED}checkout/checkout/part-00007-0123456789ab-${ownerOf(at)}.log`,
    );
    const plain = `${AGGREGATED}checkout/part-00007-0123456789ab.log`;
    for (const key of [mine, theirs, plain]) bucket.sandbox.put(BUCKET, key, 'left');
    for (const key of bucket.sandbox.keys(BUCKET, AGGREGATED)) bucket.sandbox.age(BUCKET, key, 7_200_000);
    expect((await verified(bucket)).unnamed).toBe(1);
    expect((await verified(bucket, within)).unnamed).toBe(2);

    bucket.put('checkout/2.log', logLines(500));
    await bucket.roll();
    expect(bucket.sandbox.head(BUCKET, mine)).toBeUndefined();
    for (const key of [theirs, plain]) expect(bucket.sandbox.head(BUCKET, key)).toBeDefined();
    expect((await verified(bucket, within)).problems).toEqual([]);
    bucket.sandbox.put(BUCKET, mine, 'left');
    bucket.sandbox.age(BUCKET, mine, 7_200_000);
    await rollOther();
    for (const key of [theirs, plain]) expect(bucket.sandbox.head(BUCKET, key)).toBeUndefined();
    expect(bucket.sandbox.head(BUCKET, mine)).toBeDefined();
    for (const at of [DESTINATION, within]) expect((await verified(bucket, at)).problems).toEqual([]);
  });

  it.each([
    ['^x(.*)/1', 'x_hidden/1.log', 'has the segment "_hidden", which begins with "_"'],
    ['^(.*)/1', 'a/../1.log', 'has the segment "..", which begins with "."'],
    ['^(.*)/1', 'a//1.log', 'has an empty segment'],
    ['(x*)1', '1.log', 'has an empty segment'],
  ])('%s refuses to make a folder of %s', async (groupBy, name, why) => {
    await using bucket = await openTestBucket({ groupBy });
    bucket.put(name, 'a');
    const failure = await failureOf(bucket.roll());
    expect(failure).toMatchObject({ code: 'InvalidArgument', key: RAW + name });
    expect(failure.message).toContain(why);
    expect(bucket.stored()).toEqual([]);
  });

  it('may capture in one of several ways', async () => {
    await using bucket = await openTestBucket({ groupBy: '^a/(\\w+)|^b/(\\w+)|^c(/d)?' });
    for (const name of ['a/x.log', 'b/x.log', 'c.log', 'd.log']) bucket.put(name, name);
    expect(await bucket.roll()).toMatchObject({ outputs: 1, objects: 2, skipped: { filtered: 2 } });
    expect(shapes(bucket)).toEqual([`x/part-${ownerOf(DESTINATION)}.log`]);
  });
});

import { describe, expect, it } from 'vitest';
import { verify } from '../../lambda/rollup/inspect/verify.ts';
import type { Settings } from '../../lambda/settings/table.ts';
import {
  BUCKET,
  DESTINATION,
  RAW,
  type TestBucket,
  failureOf,
  joinedInKeyOrder,
  logLines,
  openTestBucket,
} from '../support/test-bucket.ts';

const GLACIER = { storageClass: 'GLACIER' };
const RESTORED = { ...GLACIER, archive: { restore: 'done' } } as const;
const OLD = new Date(Date.now() - 100 * 24 * 60 * 60 * 1000);
/** As S3 Intelligent-Tiering archives an object: no listing shows it. */
const TIERED = {
  storageClass: 'INTELLIGENT_TIERING',
  lastModified: OLD,
  archive: { tier: 'ARCHIVE_ACCESS' },
} as const;

const deep = (bucket: TestBucket) =>
  verify(DESTINATION, {
    store: bucket.connection.store,
    deep: true,
    concurrency: 4,
    progress: () => undefined,
    signal: new AbortController().signal,
  });

describe('an archived source', () => {
  it('that has been restored is rolled up, on a first run, as a late one and changed in place', async () => {
    await using bucket = await openTestBucket();
    const bodies = new Map<string, Buffer>();
    const put = (name: string, length: number, options = {}): void => {
      bodies.set(name, logLines(length));
      bucket.put(name, logLines(length), options);
    };
    put('a.log', 1_000);
    put('b.log', 2_000, RESTORED);
    expect(await bucket.roll()).toMatchObject({ status: 'committed', objects: 2 });
    // One HEAD an archived source, and none of others.
    expect(bucket.requests('HeadObject', RAW).map(({ key }) => key)).toEqual([`${RAW}b.log`]);
    put('c.log', 3_000, { storageClass: 'DEEP_ARCHIVE', archive: { restore: 'done' } });
    expect(await bucket.roll()).toMatchObject({ status: 'committed', objects: 3 });
    put('a.log', 4_000, RESTORED);
    expect(await bucket.roll()).toMatchObject({ status: 'committed', objects: 3 });
    await bucket.expectSound();
    await bucket.roll({ repack: true });
    expect(Buffer.concat(bucket.outputs().map(({ body }) => body)).equals(joinedInKeyOrder(bodies))).toBe(
      true,
    );
    await bucket.expectSound();
  });

  it('that is committed, or left out, is not asked for', async () => {
    await using bucket = await openTestBucket({ filters: [{ exclude: '*.tmp' }] });
    const body = logLines(1_000);
    bucket.put('a.log', body);
    await bucket.roll();
    bucket.put('a.log', body, GLACIER);
    bucket.put('b.tmp', body, GLACIER);
    bucket.sandbox.clearRequests();
    expect(await bucket.roll()).toMatchObject({ status: 'unchanged' });
    expect(await bucket.roll({ repack: true })).toMatchObject({ status: 'committed' });
    expect(bucket.requests('HeadObject', RAW)).toEqual([]);
  });

  it('that is not restored is refused, and one that is being restored says so', async () => {
    await using bucket = await openTestBucket();
    bucket.put('a.log', 'a', { ...GLACIER, archive: { restore: 'ongoing' } });
    const restoring = await failureOf(bucket.roll());
    expect(restoring).toMatchObject({ code: 'SourceArchived', key: `${RAW}a.log` });
    expect(restoring.message).toBe(
      `${RAW}a.log is archived and being restored. Run again once that is done.`,
    );
    bucket.put('b.log', 'b', GLACIER);
    const archived = await failureOf(bucket.roll());
    expect(archived.message).toBe(
      `${RAW}b.log is archived and cannot be read. Restore it, and run again once that is done.`,
    );
    bucket.put('a.log', 'a', RESTORED);
    bucket.put('b.log', 'b', RESTORED);
    expect(await bucket.roll()).toMatchObject({ status: 'committed', objects: 2 });
  });
});

describe('a source that Intelligent-Tiering has archived', () => {
  it.each<[string, Partial<Settings>]>([
    ['as it is', {}],
    ['with a codec', { codec: 'gzip' }],
  ])('is taken from its output by verify --deep and by a repack, %s', async (_, settings) => {
    await using bucket = await openTestBucket(settings);
    const body = logLines(30_000);
    for (const name of ['a.log', 'b.log', 'c.log']) bucket.put(name, body, { lastModified: OLD });
    await bucket.roll();
    bucket.put('a.log', body, { ...TIERED, archive: {} });
    bucket.put('b.log', body, TIERED);
    expect(await deep(bucket)).toMatchObject({ status: 'ok', problems: [], expired: 1 });
    bucket.sandbox.clearRequests();
    expect(await bucket.roll({ repack: true })).toMatchObject({ status: 'committed', objects: 3 });
    const read = bucket.requests('GetObject', RAW).map(({ key }) => key?.slice(RAW.length));
    expect([...new Set(read)].toSorted()).toEqual(['a.log', 'c.log']);
    expect(await deep(bucket)).toMatchObject({ status: 'ok', expired: 1 });

    // Another source of the same output changes: it is rebuilt.
    bucket.put('c.log', logLines(20_000));
    expect(await bucket.roll()).toMatchObject({ status: 'committed', objects: 3 });
    expect(await deep(bucket)).toMatchObject({ status: 'ok', expired: 1 });
  });

  it('is not asked for while it is too young to be archived', async () => {
    await using bucket = await openTestBucket();
    bucket.put('a.log', 'a\n', { storageClass: 'INTELLIGENT_TIERING' });
    await bucket.roll();
    expect(await bucket.roll({ repack: true })).toMatchObject({ status: 'committed' });
    expect(bucket.requests('HeadObject', RAW)).toEqual([]);
  });

  it('and that was never rolled up ends the run with its key', async () => {
    await using bucket = await openTestBucket();
    bucket.put('a.log', 'a\n', TIERED);
    expect(await failureOf(bucket.roll())).toMatchObject({ code: 'SourceArchived', key: `${RAW}a.log` });
    expect(bucket.sandbox.keys(BUCKET, 'aggregated/')).toEqual([]);
  });
});

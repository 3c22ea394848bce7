import { beforeAll, describe, expect, it } from 'vitest';
import type { CommittedSource } from '../../lambda/rollup/model/manifest.ts';
import type { Fault, Operation } from '../../sandbox/sandbox.ts';
import { LOST_ANSWER, REFUSED, fromNth, matching, onNth } from '../support/hooks.ts';
import { standInLimiterClock } from '../support/limiter-clock.ts';
import {
  AGGREGATED,
  BUCKET,
  MANIFEST_KEY,
  RAW,
  type TestBucket,
  failureOf,
  logLines,
  openTestBucket,
  withCrc32,
} from '../support/test-bucket.ts';

/** Everything under the destination, with what a touched object would not keep. */
function snapshot(bucket: TestBucket): unknown[] {
  return bucket.sandbox.keys(BUCKET, AGGREGATED).map((key) => {
    const head = bucket.sandbox.head(BUCKET, key);
    return [key, head?.etag, head?.size, head?.lastModified];
  });
}

/** Two buckets are not written at the same time. */
function withoutTime(source: CommittedSource): CommittedSource {
  return { ...source, lastModified: '' };
}

/** Makes everything under the destination look an age old, so that a write would show. */
function ageAll(bucket: TestBucket, minutes: number): void {
  for (const key of bucket.sandbox.keys(BUCKET, AGGREGATED))
    bucket.sandbox.age(BUCKET, key, minutes * 60_000);
}

describe('a run that finds nothing new', () => {
  it('reads no source, writes nothing, and says what is there', async () => {
    await using bucket = await openTestBucket();
    bucket.putHour(300);
    const first = await bucket.roll();
    ageAll(bucket, 600);
    const before = snapshot(bucket);
    bucket.sandbox.clearRequests();
    const again = await bucket.roll();
    expect(again).toMatchObject({
      status: 'unchanged',
      objects: 300,
      bytes: first.bytes,
      written: 0,
      copied: 0,
    });
    expect([again.outputs, again.reused]).toEqual([first.outputs, first.outputs]);
    expect(again.requests).toMatchObject({ put: 0, copy: 0, delete: 0, retries: 0 });
    expect(bucket.downloads()).toEqual([]);
    expect(bucket.writes()).toEqual([]);
    expect(bucket.sandbox.requests).toHaveLength(again.requests.list + again.requests.get);
    expect(snapshot(bucket)).toEqual(before);
  });

  it.each([
    ['sizes of outputs', { targetSize: 6 * 2 ** 20 }],
    ['the newline rule', { newline: 'none' as const }],
  ])('still finds nothing new after a change of %s', async (_, settings) => {
    await using bucket = await openTestBucket();
    bucket.put('a.log', 'no newline');
    await bucket.roll();
    expect(await bucket.roll({ settings: { ...bucket.settings, ...settings } })).toMatchObject({
      status: 'unchanged',
    });
  });
});

describe('late objects', () => {
  it('are the only ones that are read, and every earlier output stays as it is', async () => {
    await using bucket = await openTestBucket();
    bucket.putHour(300);
    await bucket.roll();
    ageAll(bucket, 10);
    const before = new Map(bucket.outputs().map(({ key }) => [key, bucket.sandbox.head(BUCKET, key)]));
    const late = [
      '00000-early.log',
      '00150-between.log',
      ...Array.from({ length: 8 }, (_, i) => `99${i}.log`),
    ];
    for (const name of late) bucket.put(name, logLines(5_000));
    bucket.sandbox.clearRequests();
    const result = await bucket.roll();
    expect(result).toMatchObject({
      status: 'committed',
      objects: 310,
      written: 1,
      reused: before.size,
      copied: 0,
    });
    expect(
      bucket
        .downloads()
        .map(({ key }) => key)
        .toSorted(),
    ).toEqual(late.map((name) => RAW + name).toSorted());
    for (const [key, head] of before) expect(bucket.sandbox.head(BUCKET, key)).toEqual(head);
    expect(bucket.manifest.outputs.map(({ key }) => key).slice(0, before.size)).toEqual([...before.keys()]);
    await bucket.expectSound();
    expect(await bucket.roll()).toMatchObject({ status: 'unchanged' });
  });

  it('may come to an hour that was committed empty', async () => {
    await using bucket = await openTestBucket();
    expect(await bucket.roll()).toMatchObject({ status: 'empty' });
    bucket.put('late.log', 'late\n');
    expect(await bucket.roll()).toMatchObject({ status: 'committed', objects: 1, written: 1 });
    await bucket.expectSound();
  });
});

/** Sources of three outputs that are uploaded in parts, and of one more. */
const HALF_WAY = 320;

describe('a run that failed half-way', () => {
  let undisturbed: unknown;
  beforeAll(async () => {
    await using bucket = await openTestBucket();
    bucket.putHour(HALF_WAY);
    await bucket.roll();
    undisturbed = [bucket.manifest.outputs, (await bucket.sources()).map(withoutTime)];
  });

  it.each<[string, Operation, string, number]>([
    ['at an upload part', 'UploadPart', AGGREGATED, 4],
    ["at an upload's begin", 'CreateMultipartUpload', AGGREGATED, 3],
    ["at an upload's end", 'CompleteMultipartUpload', AGGREGATED, 3],
    ['at a download', 'GetObject', RAW, 200],
    ['at the index of sources', 'PutObject', `${AGGREGATED}_sources`, 1],
    ['at the manifest', 'PutObject', MANIFEST_KEY, 1],
  ])('%s goes on from what it wrote, to the same end', async (_, operation, prefix, n) => {
    await using bucket = await openTestBucket();
    bucket.putHour(HALF_WAY);
    bucket.sandbox.hook = fromNth(n, matching(operation, prefix), REFUSED);
    const failure = await failureOf(bucket.roll());
    expect(failure.code).toBe('AccessDenied');
    expect(bucket.isCommitted).toBe(false);
    expect(bucket.sandbox.openUploads(BUCKET)).toEqual([]);
    const writtenOutput = bucket.sandbox.keys(BUCKET, `${AGGREGATED}part-`);
    expect(writtenOutput.length).toBeGreaterThan(0);

    bucket.sandbox.hook = undefined;
    bucket.sandbox.clearRequests();
    const result = await bucket.roll();
    expect(result).toMatchObject({ status: 'committed', objects: HALF_WAY, reused: writtenOutput.length });
    const kept = (await bucket.sources()).filter(({ output }) => writtenOutput.includes(output));
    // Requests of the failed run, aborted as they are, may still have come in.
    const read = new Set(bucket.downloads().map(({ key = '' }) => key));
    expect(kept.filter(({ key }) => read.has(key))).toEqual([]);
    expect(read.size).toBe(HALF_WAY - kept.length);
    expect(result.requests.retries).toBe(0);
    expect([bucket.manifest.outputs, (await bucket.sources()).map(withoutTime)]).toEqual(undisturbed);
    await bucket.expectSound();
  });

  it('leaves an upload open when it is killed; the next run ends it', async () => {
    await using bucket = await openTestBucket();
    bucket.putHour(200);
    // As a killed process would: it can no longer abort.
    bucket.sandbox.hook = (request) =>
      ['CompleteMultipartUpload', 'AbortMultipartUpload'].includes(request.operation) ? REFUSED : undefined;
    await failureOf(bucket.roll());
    expect(bucket.sandbox.openUploads(BUCKET).length).toBeGreaterThan(0);
    bucket.sandbox.hook = undefined;
    expect(await bucket.roll()).toMatchObject({ status: 'committed' });
    await bucket.expectSound();
  });

  it('does not end uploads of others in the same bucket', async () => {
    await using bucket = await openTestBucket();
    const begin = async (key: string): Promise<void> => {
      const response = await fetch(`${bucket.sandbox.endpoint}/${BUCKET}/${key}?uploads`, { method: 'POST' });
      expect(response.status).toBe(200);
    };
    await begin(`${AGGREGATED}somebody-elses.log`);
    await begin(`${AGGREGATED}deeper/part-00000-0123456789ab.log`);
    bucket.putHour(10);
    await bucket.roll();
    expect(bucket.sandbox.openUploads(BUCKET)).toHaveLength(2);
  });

  it.each([
    ['where some sources lack their newline', (i: number) => i % 3 === 0],
    ['where all do', () => true],
    ['where none does', () => false],
  ])('is continued with the right source offsets %s', async (_, lacks) => {
    await using bucket = await openTestBucket();
    for (let i = 0; i < 200; i++) {
      const body = logLines(50_000);
      const whole = lacks(i) ? body.subarray(0, -1) : body;
      bucket.put(`${String(i).padStart(3, '0')}.log`, whole, { headers: withCrc32(whole) });
    }
    bucket.sandbox.hook = onNth(1, matching('PutObject', MANIFEST_KEY), REFUSED);
    await failureOf(bucket.roll());
    const expected = bucket.stored().filter((name) => name.startsWith('_sources'));
    bucket.sandbox.hook = undefined;
    bucket.sandbox.clearRequests();
    const result = await bucket.roll();
    expect(result).toMatchObject({ status: 'committed', written: 0 });
    // Its headers tell all of an output: a continuation that read what is written would never come to the rest.
    expect(bucket.requests('GetObject', `${AGGREGATED}part-`)).toEqual([]);
    // The name of the index is a digest of every frame.
    expect(bucket.manifest.sources.key).toBe(`${AGGREGATED}${expected[0] ?? ''}`);
    expect(expected).toHaveLength(1);
    await bucket.expectSound();
  });

  it('is continued without an output that has another size than planned', async () => {
    await using bucket = await openTestBucket();
    bucket.putHour(20);
    bucket.sandbox.hook = onNth(1, matching('PutObject', MANIFEST_KEY), REFUSED);
    await failureOf(bucket.roll());
    const [key = ''] = bucket.sandbox.keys(BUCKET, `${AGGREGATED}part-`);
    bucket.sandbox.put(BUCKET, key, 'somebody else was here');
    bucket.sandbox.hook = undefined;
    expect(await bucket.roll()).toMatchObject({ status: 'committed', written: 1, reused: 0 });
    await bucket.expectSound();
  });
});

describe('an answer that is lost', () => {
  it.each<[string, Operation, string]>([
    ["to the manifest's write", 'PutObject', MANIFEST_KEY],
    ['to the write of the index', 'PutObject', `${AGGREGATED}_sources`],
    ['to the end of an upload', 'CompleteMultipartUpload', AGGREGATED],
    ['to an upload part', 'UploadPart', AGGREGATED],
    ['to a copy', 'CopyObject', AGGREGATED],
    ['to a delete', 'DeleteObjects', ''],
  ])('%s does no harm', async (_, operation, prefix) => {
    await using bucket = await openTestBucket();
    bucket.putHour(110);
    bucket.put('00010-large.log', logLines(6_000_000));
    if (operation === 'DeleteObjects') await bucket.roll();
    bucket.put('00000.log', 'changed\n');
    let lost = 0;
    const hook = onNth(1, matching(operation, prefix), LOST_ANSWER);
    bucket.sandbox.hook = async (request) => {
      const fault = await hook(request);
      if (fault !== undefined) lost++;
      return fault;
    };
    const result = await bucket.roll();
    expect(lost).toBe(1);
    expect(result).toMatchObject({ status: 'committed', objects: 111 });
    expect(result.requests.retries).toBeGreaterThan(0);
    await bucket.expectSound();
    expect(await bucket.roll()).toMatchObject({ status: 'unchanged' });
  });
});

describe('a fault that passes', () => {
  const passing: [string, Operation, Fault][] = [
    ['SlowDown to a download', 'GetObject', { kind: 'error', status: 503, code: 'SlowDown' }],
    ['SlowDown to an upload part', 'UploadPart', { kind: 'error', status: 503, code: 'SlowDown' }],
    [
      'an internal error to a listing',
      'ListObjectsV2',
      { kind: 'error', status: 500, code: 'InternalError' },
    ],
    [
      'an internal error with status 200 to the end of an upload',
      'CompleteMultipartUpload',
      { kind: 'error-in-body', code: 'InternalError' },
    ],
    [
      'an internal error with status 200 to a copy',
      'CopyObject',
      { kind: 'error-in-body', code: 'InternalError' },
    ],
    ['a reset connection to a download', 'GetObject', { kind: 'reset' }],
    ['a body that is cut off by a reset', 'GetObject', { kind: 'cut', afterBytes: 3_000, how: 'reset' }],
    ['a body that ends early', 'GetObject', { kind: 'cut', afterBytes: 3_000, how: 'close' }],
  ];
  it.each(passing)('does no harm: %s', async (_, operation, fault) => {
    await using bucket = await openTestBucket();
    standInLimiterClock();
    bucket.putHour(110);
    bucket.put('00010-large.log', logLines(6_000_000));
    const prefix = operation === 'GetObject' ? RAW : '';
    bucket.sandbox.hook = onNth(operation === 'GetObject' ? 20 : 1, matching(operation, prefix), fault);
    const result = await bucket.roll();
    expect(result).toMatchObject({ status: 'committed', objects: 111 });
    expect(result.requests.retries).toBeGreaterThan(0);
    await bucket.expectSound();
  });
});

import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { readHourStatus } from '../../../bin/operator/hour-status.ts';
import { parseHour } from '../../../lambda/rollup/model/hour.ts';
import { extract } from '../../../lambda/rollup/inspect/extract.ts';
import type { Fault } from '../../../sandbox/sandbox.ts';
import { REFUSED, beforeNth, fromNth, matching, onNth } from '../../support/hooks.ts';
import {
  AGGREGATED,
  BUCKET,
  DESTINATION,
  MANIFEST_KEY,
  RAW,
  SOURCE,
  type TestBucket,
  failureOf,
  openTestBucket,
} from '../../support/test-bucket.ts';

const NOTHING_KEPT = { uncommitted: 0, changed: 0, unverified: 0, refused: 0 };
const DELETES = matching('DeleteObjects');

function inRaw(bucket: TestBucket): string[] {
  return bucket.sandbox.keys(BUCKET, RAW).map((key) => key.slice(RAW.length));
}

/** The bodies of the objects in raw, by name, before any is deleted. */
function contents(bucket: TestBucket): Map<string, Buffer> {
  return new Map(inRaw(bucket).map((name) => [name, bucket.sandbox.get(BUCKET, RAW + name) as Buffer]));
}

/** Every object that has left raw is in the rollup, byte for byte. */
async function expectNothingLost(bucket: TestBucket, was: Map<string, Buffer>): Promise<void> {
  const left = new Set(inRaw(bucket));
  for (const [name, body] of was) {
    if (left.has(name)) continue;
    const { bytes } = await extract(bucket.connection.store, DESTINATION, name);
    // Compared by itself: to compare bytes one by one takes longer than the run.
    expect(Buffer.concat(await Array.fromAsync(bytes)).equals(body), name).toBe(true);
  }
}

it('sources are not deleted by default', async () => {
  await using bucket = await openTestBucket();
  bucket.putHour(5);
  const result = await bucket.roll();
  expect(result).not.toHaveProperty('deleted');
  expect(inRaw(bucket)).toHaveLength(5);
  expect(bucket.writes().filter(({ key = '' }) => key.startsWith(RAW))).toEqual([]);
});

describe('after the commit, with deleteSource,', () => {
  it('committed sources are deleted from raw, and nothing else is', async () => {
    await using bucket = await openTestBucket();
    bucket.putHour(40);
    bucket.put('empty.log', '');
    const was = contents(bucket);
    const bytes = [...was.values()].reduce((sum, body) => sum + body.length, 0);
    bucket.sandbox.hook = beforeNth(1, matching('PutObject', MANIFEST_KEY), () => {
      bucket.put('late.log', 'late\n');
    });
    const result = await bucket.roll({ deleteSource: true });
    expect(result).toMatchObject({
      status: 'committed',
      deleted: { objects: 40, bytes, kept: { ...NOTHING_KEPT, uncommitted: 2 }, complete: true },
    });
    expect(result).not.toHaveProperty('problems');
    expect(inRaw(bucket)).toEqual(['empty.log', 'late.log']);
    await expectNothingLost(bucket, was);
    // One HEAD an output, one of the manifest, one delete; and a HEAD and three deletes to try the store out.
    expect(bucket.requests('HeadObject', AGGREGATED)).toHaveLength(result.outputs + 1 + 1);
    expect(result.requests.delete).toBe(1 + 3);

    expect(await bucket.roll({ deleteSource: true })).toMatchObject({
      status: 'committed',
      objects: 41,
      written: 1,
      deleted: { objects: 1, bytes: 5, kept: { ...NOTHING_KEPT, uncommitted: 1 } },
    });
    expect(inRaw(bucket)).toEqual(['empty.log']);
    expect(await bucket.roll({ deleteSource: true })).toMatchObject({
      status: 'unchanged',
      deleted: { objects: 0, bytes: 0, complete: true },
    });
    await expectNothingLost(bucket, was);
  });

  it('a run that finds nothing new deletes them too, and verify, status, extract and a repack work as before', async () => {
    await using bucket = await openTestBucket();
    bucket.putHour(60);
    const was = contents(bucket);
    await bucket.roll();
    expect(await bucket.roll({ deleteSource: true })).toMatchObject({
      status: 'unchanged',
      deleted: { objects: 60, complete: true },
    });
    expect(inRaw(bucket)).toEqual([]);
    await bucket.expectSound();
    const { store } = bucket.connection;
    const at = { source: SOURCE, destination: DESTINATION };
    expect(await readHourStatus({ store }, parseHour('2026-11-21T08'), at, new Date())).toMatchObject({
      state: 'rolled-up',
      objects: 0,
      rolledUp: 60,
    });
    expect(await bucket.roll({ repack: true, deleteSource: true })).toMatchObject({
      status: 'committed',
      objects: 60,
      deleted: { objects: 0, complete: true },
    });
    await bucket.expectSound();
    await expectNothingLost(bucket, was);
  });

  it('sources whose keys have characters that XML cannot hold are deleted', async () => {
    await using bucket = await openTestBucket();
    const names = ['a b+c%20.log', 'é&<"\'>.log', 'line\nend\r.log', 'bell\u0007.log', '\u{1F600}.log'];
    for (const name of names) bucket.put(name, 'a line\n');
    expect(await bucket.roll({ deleteSource: true })).toMatchObject({ deleted: { objects: names.length } });
    expect(inRaw(bucket)).toEqual([]);
  });
});

describe('a source that was overwritten', () => {
  it.each([
    ['between the commit and the listing', matching('PutObject', MANIFEST_KEY)],
    ['between the listing and the delete', DELETES],
  ])('%s stays in raw, and the next run rolls it up anew', async (_, when) => {
    await using bucket = await openTestBucket();
    bucket.putHour(10);
    bucket.sandbox.hook = beforeNth(1, when, () => {
      bucket.put('00004.log', 'another\n');
    });
    const result = await bucket.roll({ deleteSource: true });
    expect(result).toMatchObject({ deleted: { objects: 9, kept: { ...NOTHING_KEPT, changed: 1 } } });
    // It is no failure: the next run rolls it up.
    expect(result).not.toHaveProperty('problems');
    expect(inRaw(bucket)).toEqual(['00004.log']);
    expect(await bucket.roll({ deleteSource: true })).toMatchObject({
      status: 'committed',
      objects: 10,
      deleted: { objects: 1 },
    });
    const { bytes } = await extract(bucket.connection.store, DESTINATION, '00004.log');
    expect(await text(bytes)).toBe('another\n');
    await bucket.expectSound();
  });
});

describe('an output that is not as committed', () => {
  it.each<[string, (bucket: TestBucket, key: string) => void]>([
    [
      'was overwritten',
      (bucket, key) => {
        bucket.sandbox.put(BUCKET, key, 'somebody was here\n');
      },
    ],
  ])('because it %s keeps its sources in raw; those of other outputs are deleted', async (_, damage) => {
    await using bucket = await openTestBucket();
    bucket.putHour(200);
    await bucket.roll();
    const [damaged, ...others] = bucket.manifest.outputs;
    const key = damaged?.key ?? '';
    expect(others.length).toBeGreaterThan(0);
    const held = (await bucket.sources()).filter(({ output }) => output === key);
    damage(bucket, key);
    const result = await bucket.roll({ deleteSource: true });
    expect(result).toMatchObject({
      status: 'unchanged',
      deleted: {
        objects: 200 - held.length,
        kept: { ...NOTHING_KEPT, unverified: held.length },
        complete: true,
      },
      problems: [{ code: 'OutputDamaged', key }],
    });
    expect(inRaw(bucket)).toEqual(held.map((source) => source.key.slice(RAW.length)));
  });

  it('is read where S3 holds no checksum of it', async () => {
    await using bucket = await openTestBucket();
    bucket.putHour(5);
    await bucket.roll();
    const [output] = bucket.outputs();
    const { key, body } = output ?? { key: '', body: '' };
    // The same bytes and so the same ETag, but without the CRC-32 that an upload sends.
    bucket.sandbox.put(BUCKET, key, body);
    const corrupt: Fault = { kind: 'corrupt', atByte: 1_000 };
    bucket.sandbox.hook = onNth(1, matching('GetObject', key), corrupt);
    expect(await bucket.roll({ deleteSource: true })).toMatchObject({
      deleted: { objects: 0, kept: { ...NOTHING_KEPT, unverified: 5 } },
      problems: [{ code: 'OutputDamaged' }],
    });
    bucket.sandbox.hook = undefined;
    expect(await bucket.roll({ deleteSource: true })).toMatchObject({ deleted: { objects: 5 } });
  });
});

describe('a deletion', () => {
  it.each<[string, (bucket: TestBucket, controller: AbortController) => void, string | undefined]>([
    [
      'killed at its second batch',
      (bucket, controller) => {
        bucket.sandbox.hook = beforeNth(2, DELETES, () => {
          controller.abort();
        });
      },
      'Aborted',
    ],
    [
      'refused from its second batch on',
      (bucket) => (bucket.sandbox.hook = fromNth(2, DELETES, REFUSED)),
      undefined,
    ],
    [
      'without the answer to its second batch',
      (bucket) => (bucket.sandbox.hook = onNth(2, DELETES, { kind: 'reset-after' })),
      undefined,
    ],
  ])('%s and then repeated deletes no source that is not in a verified output', async (_, disturb, code) => {
    await using bucket = await openTestBucket();
    for (let i = 0; i < 1_100; i++) bucket.put(`${String(i).padStart(4, '0')}.log`, `line ${i}\n`);
    const was = contents(bucket);
    await bucket.roll();
    await bucket.tryDeletesOut();
    const controller = new AbortController();
    disturb(bucket, controller);
    const running = bucket.roll({ deleteSource: true, signal: controller.signal });
    if (code === undefined) await running;
    else expect((await failureOf(running)).code).toBe(code);
    bucket.sandbox.hook = undefined;
    expect(inRaw(bucket).length).toBeLessThanOrEqual(100);
    expect(await bucket.roll({ deleteSource: true })).toMatchObject({
      status: 'unchanged',
      deleted: { kept: NOTHING_KEPT, complete: true },
    });
    expect(inRaw(bucket)).toEqual([]);
    await bucket.expectSound();
    const sources = await bucket.sources();
    expect(sources.map(({ key }) => key.slice(RAW.length))).toEqual([...was.keys()]);
  });

  it('that runs out of time says so, and the next run continues it', async () => {
    await using bucket = await openTestBucket();
    for (let i = 0; i < 1_010; i++) bucket.put(`${String(i).padStart(4, '0')}.log`, 'a line\n');
    await bucket.roll();
    const hasTime = (): boolean => bucket.requests('DeleteObjects').length === 0;
    bucket.sandbox.clearRequests();
    const result = await bucket.roll({ deleteSource: true, hasTime });
    expect(result).toMatchObject({ status: 'unchanged', deleted: { objects: 1_000, complete: false } });
    expect(await bucket.roll({ deleteSource: true })).toMatchObject({
      deleted: { objects: 10, complete: true },
    });
  });
});

describe('a source that S3 does not delete', () => {
  it('for want of permission is a problem that names its key, and the others are deleted', async () => {
    await using bucket = await openTestBucket();
    bucket.putHour(30);
    const refused = (key: string): boolean => /0000[37]/.test(key);
    bucket.sandbox.hook = ({ operation }) =>
      operation === 'DeleteObjects'
        ? { kind: 'refuse-keys', code: (key) => (refused(key) ? 'AccessDenied' : undefined) }
        : undefined;
    const result = await bucket.roll({ deleteSource: true });
    expect(result).toMatchObject({
      status: 'committed',
      deleted: { objects: 28, kept: { ...NOTHING_KEPT, refused: 2 }, complete: true },
      problems: ['00003.log', '00007.log'].map((name) => ({ code: 'AccessDenied', key: RAW + name })),
    });
    expect(inRaw(bucket)).toEqual(['00003.log', '00007.log']);
  });

  it('because it is busy is requested again', async () => {
    await using bucket = await openTestBucket();
    bucket.putHour(30);
    await bucket.tryDeletesOut();
    let batches = 0;
    bucket.sandbox.hook = ({ operation }) =>
      operation === 'DeleteObjects' && ++batches === 1
        ? { kind: 'refuse-keys', code: (key) => (key.endsWith('7.log') ? 'SlowDown' : undefined) }
        : undefined;
    expect(await bucket.roll({ deleteSource: true })).toMatchObject({ deleted: { objects: 30 } });
    expect(batches).toBe(2);
  });
});

it('another commit meanwhile: the deletion goes by its manifest', async () => {
  await using bucket = await openTestBucket();
  bucket.putHour(20);
  await bucket.roll();
  const other = bucket.connect();
  bucket.sandbox.hook = beforeNth(1, matching('HeadObject', MANIFEST_KEY), async () => {
    bucket.put('late.log', 'late\n');
    bucket.put('00003.log', 'changed\n');
    await bucket.roll({ connection: other });
  });
  expect(await bucket.roll({ deleteSource: true })).toMatchObject({
    status: 'unchanged',
    deleted: { objects: 21, kept: NOTHING_KEPT, complete: true },
  });
  expect(inRaw(bucket)).toEqual([]);
  const { bytes } = await extract(bucket.connection.store, DESTINATION, '00003.log');
  expect(await text(bytes)).toBe('changed\n');
});

describe('a request that keeps the sources', () => {
  it('is remembered in the manifest, by later runs and repacks too, until another request says otherwise', async () => {
    await using bucket = await openTestBucket({ deleteSource: true });
    bucket.putHour(8);
    expect(await bucket.roll({ asks: false })).not.toHaveProperty('deleted');
    expect(bucket.manifest).toMatchObject({ version: 2, keepSource: true });
    bucket.put('late.log', 'late\n');
    for (const repack of [false, false, true]) {
      const result = await bucket.roll({ repack });
      expect(result).not.toHaveProperty('deleted');
      expect(result.warnings).toMatchObject([{ code: 'SourcesKept' }]);
      expect(bucket.manifest).toMatchObject({ keepSource: true });
    }
    expect(inRaw(bucket)).toHaveLength(9);
    expect(await bucket.roll({ asks: true })).toMatchObject({
      status: 'unchanged',
      deleted: { objects: 9, complete: true },
    });
    expect(bucket.manifest).not.toHaveProperty('keepSource');
    await bucket.expectSound();
  });

  it('is recorded where nothing is new, by one write, and once', async () => {
    await using bucket = await openTestBucket();
    bucket.putHour(8);
    await bucket.roll();
    const before = bucket.manifest;
    expect(before).toMatchObject({ version: 1 });
    bucket.sandbox.requests.length = 0;
    for (let i = 0; i < 2; i++)
      expect(await bucket.roll({ asks: false })).toMatchObject({ status: 'unchanged' });
    expect(bucket.writes()).toMatchObject([{ operation: 'PutObject', key: MANIFEST_KEY }]);
    const after = bucket.manifest;
    expect(after.createdAt > before.createdAt).toBe(true);
    const { createdAt } = after;
    const generation = before.generation + 1;
    expect(after).toEqual({ ...before, version: 2, generation, createdAt, keepSource: true });
    expect(await bucket.roll({ deleteSource: true })).not.toHaveProperty('deleted');
    expect(inRaw(bucket)).toHaveLength(8);
  });

  it('ends the deletion of a run that is under way', async () => {
    await using bucket = await openTestBucket();
    for (let i = 0; i < 2500; i++) bucket.put(`${String(i).padStart(5, '0')}.log`, 'a line\n');
    await bucket.roll();
    await bucket.tryDeletesOut();
    bucket.sandbox.hook = beforeNth(2, DELETES, async () => {
      bucket.sandbox.hook = undefined;
      await bucket.roll({ asks: false });
    });
    const result = await bucket.roll({ deleteSource: true });
    expect(result.deleted?.objects).toBe(2000);
    expect(inRaw(bucket)).toHaveLength(500);
    expect(bucket.manifest).toMatchObject({ keepSource: true });
  });
});

it.each(['keep', 'gzip'] as const)(
  'a repack (codec %s) that reads raw while another run deletes from it reads the outputs instead',
  async (codec) => {
    await using bucket = await openTestBucket({ codec });
    bucket.putHour(150);
    const was = contents(bucket);
    await bucket.roll();
    // The other run deletes all after the first source is read: what was planned by then is gone.
    bucket.sandbox.hook = beforeNth(2, matching('GetObject', RAW), async () => {
      bucket.sandbox.hook = undefined;
      expect(await bucket.roll({ deleteSource: true })).toMatchObject({ deleted: { objects: 150 } });
    });
    expect(await bucket.roll({ repack: true })).toMatchObject({ status: 'committed', objects: 150 });
    expect(inRaw(bucket)).toEqual([]);
    await bucket.expectSound();
    if (codec === 'keep') await expectNothingLost(bucket, was);
  },
);

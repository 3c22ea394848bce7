import { randomBytes } from 'node:crypto';
import { CreateMultipartUploadCommand } from '@aws-sdk/client-s3';
import { describe, expect, it } from 'vitest';
import { parseLocation } from '../../../lambda/rollup/model/location.ts';
import { publishMarkers } from '../../../lambda/rollup/commit/markers.ts';
import { run } from '../../../lambda/run.ts';
import { MiB } from '../../../lambda/size.ts';
import { LOST_ANSWER, REFUSED, beforeNth, fromNth, gate, matching, onNth } from '../../support/hooks.ts';
import {
  AGGREGATED,
  BUCKET,
  DESTINATION,
  MANIFEST_KEY,
  RAW,
  type TestBucket,
  openTestBucket,
  withCrc32,
} from '../../support/test-bucket.ts';

const SUCCESS = `${AGGREGATED}_SUCCESS`;
const SYMLINKS = `${AGGREGATED}_symlink_format_manifest/manifest`;
const SOURCES = `${AGGREGATED}_sources/sources.jsonl.gz`;
const ASKED = { successMarker: true, symlinkManifest: true };

/** The list of outputs and the copy of the index agree with the manifest. */
function expectTrue(bucket: TestBucket): void {
  const { outputs, sources } = bucket.manifest;
  const uris = outputs.map(({ key }) => `s3://${BUCKET}/${key}\n`).join('');
  expect(bucket.sandbox.get(BUCKET, SYMLINKS)?.toString()).toBe(uris);
  expect(bucket.sandbox.get(BUCKET, SOURCES)).toEqual(bucket.sandbox.get(BUCKET, sources.key));
}

it('markers are not written unless asked for', async () => {
  await using bucket = await openTestBucket();
  bucket.putHour(3);
  await bucket.roll();
  await bucket.expectSound();
});

it('markers are written after the commit, and a run that finds them up to date writes nothing', async () => {
  await using bucket = await openTestBucket(ASKED);
  bucket.putHour(120);
  const { outputs } = await bucket.roll();
  expect(outputs).toBeGreaterThan(1);
  expect(bucket.sandbox.head(BUCKET, SUCCESS)).toMatchObject({ size: 0 });
  expectTrue(bucket);
  const written = bucket.requests('PutObject').map(({ key }) => key);
  expect(written.slice(-4)).toEqual([MANIFEST_KEY, SUCCESS, SYMLINKS, SOURCES]);
  bucket.sandbox.clearRequests();
  expect(await bucket.roll()).toMatchObject({ status: 'unchanged' });
  expect(bucket.writes()).toEqual([]);
  await bucket.expectSound({ leftovers: [SUCCESS, SOURCES, SYMLINKS].toSorted() });
});

it('an hour without logs has the marker of success and no list of outputs', async () => {
  await using bucket = await openTestBucket(ASKED);
  expect(await bucket.roll()).toMatchObject({ status: 'empty' });
  expect(bucket.leftovers()).toEqual([SUCCESS, SOURCES]);
  bucket.put('late.log', 'late\n');
  await bucket.roll();
  expectTrue(bucket);
});

it('the list of outputs is written before outputs are deleted that it replaced, also by a run that was not asked for it', async () => {
  await using bucket = await openTestBucket(ASKED);
  bucket.putHour(100);
  await bucket.roll();
  bucket.put('00000.log', 'changed\n');
  bucket.sandbox.clearRequests();
  await bucket.roll({ settings: { ...bucket.settings, successMarker: false, symlinkManifest: false } });
  const order = bucket.writes().map(({ operation, key }) => key ?? operation);
  expect(order.slice(-4)).toEqual([MANIFEST_KEY, SYMLINKS, SOURCES, 'DeleteObjects']);
  expectTrue(bucket);
});

it('a list whose write fails keeps the outputs that the old one names, and the next run writes it', async () => {
  await using bucket = await openTestBucket(ASKED);
  bucket.putHour(100);
  await bucket.roll();
  const before = bucket.sandbox.keys(BUCKET, `${AGGREGATED}part-`);
  bucket.put('00000.log', 'changed\n');
  bucket.sandbox.hook = fromNth(1, matching('PutObject', SYMLINKS), REFUSED);
  expect(await bucket.roll()).toMatchObject({
    status: 'committed',
    problems: [{ code: 'AccessDenied', key: SYMLINKS }],
  });
  expect(bucket.sandbox.keys(BUCKET, `${AGGREGATED}part-`)).toEqual(expect.arrayContaining(before));
  bucket.sandbox.hook = undefined;
  expect(await bucket.roll()).toMatchObject({ status: 'unchanged' });
  expectTrue(bucket);
});

it.each([
  ['before its list is written', matching('PutObject', SYMLINKS)],
  ['before its copy of the index is', matching('PutObject', SOURCES)],
  ['once both are', matching('HeadObject', MANIFEST_KEY)],
])('of two runs the later commit has the last word: another commits %s', async (_, when) => {
  await using bucket = await openTestBucket(ASKED);
  bucket.putHour(10);
  const other = bucket.connect();
  bucket.sandbox.hook = beforeNth(1, when, async () => {
    bucket.put('00000.log', 'changed\n');
    bucket.put('late.log', 'late\n');
    await bucket.roll({ connection: other });
  });
  expect(await bucket.roll()).toMatchObject({ status: 'committed' });
  expect(bucket.manifest.totals.objects).toBe(11);
  expectTrue(bucket);
});

it('a run that listed the destination before there was a list of outputs leaves no stale one behind', async () => {
  await using bucket = await openTestBucket(ASKED);
  bucket.putHour(10);
  const other = bucket.connect();
  const isCommit = matching('PutObject', MANIFEST_KEY);
  const held = gate(isCommit);
  let later: Promise<unknown> | undefined;
  bucket.sandbox.hook = async (request) => {
    if (matching('PutObject', SYMLINKS)(request) && later === undefined) {
      bucket.put('late.log', 'late\n');
      const settings = { ...bucket.settings, successMarker: false, symlinkManifest: false };
      later = bucket.roll({ connection: other, settings });
      await held.reached;
    } else if (later !== undefined && isCommit(request)) {
      await held.hook(request);
    } else if (matching('HeadObject', MANIFEST_KEY)(request)) {
      held.open();
      await later;
    }
    return undefined;
  };
  expect(await bucket.roll()).toMatchObject({ status: 'committed' });
  expect(bucket.manifest.totals.objects).toBe(11);
  expectTrue(bucket);
});

describe('a line break in a name', () => {
  it.each(['\n', '\r'])(
    '%j in the destination is refused before anything is read, where a list is asked for',
    async (end) => {
      await using bucket = await openTestBucket(ASKED);
      bucket.putHour(3);
      const source = parseLocation(`s3://${BUCKET}/${RAW}`);
      const destination = parseLocation(`s3://${BUCKET}/rolled/a${end}s3:/`);
      const roll = (symlinkManifest: boolean) =>
        run({ source, destination }, bucket.connection, {
          settings: { ...bucket.settings, symlinkManifest },
        });
      bucket.sandbox.clearRequests();
      await expect(roll(true)).rejects.toMatchObject({
        code: 'InvalidArgument',
        message: expect.stringContaining('has a line break') as string,
      });
      expect(bucket.sandbox.requests).toEqual([]);
      expect(await roll(false)).toMatchObject({ status: 'committed' });
    },
  );

  it('of an output that an earlier release committed makes no list, and the old one stays true', async () => {
    await using bucket = await openTestBucket(ASKED);
    bucket.putHour(3);
    await bucket.roll();
    const list = bucket.sandbox.get(BUCKET, SYMLINKS);
    const { manifest } = bucket;
    const [output] = manifest.outputs;
    const key = output?.key.replace('part-', 'a\nb/part-') ?? '';
    bucket.sandbox.put(BUCKET, key, bucket.sandbox.get(BUCKET, output?.key ?? '') ?? '');
    const changed = { ...manifest, outputs: [{ ...output, key }] };
    bucket.sandbox.put(BUCKET, MANIFEST_KEY, JSON.stringify(changed));
    await expect(
      publishMarkers(
        bucket.connection.store,
        parseLocation(`s3://${BUCKET}/${AGGREGATED}`),
        { success: false, symlinks: true },
        new AbortController().signal,
      ),
    ).rejects.toMatchObject({ code: 'InvalidArgument', key });
    expect(bucket.sandbox.get(BUCKET, SYMLINKS)).toEqual(list);
  });
});

it('a large copy of the index stands, also where the answer to its completion was lost', async () => {
  await using bucket = await openTestBucket();
  bucket.putHour(2);
  await bucket.roll();
  const body = randomBytes(17 * MiB);
  bucket.sandbox.put(BUCKET, bucket.manifest.sources.key, body, { headers: withCrc32(body) });
  bucket.sandbox.hook = onNth(1, matching('CompleteMultipartUpload', SOURCES), LOST_ANSWER);
  const { signal } = new AbortController();
  const asked = { success: false, symlinks: true };
  await publishMarkers(bucket.connection.store, DESTINATION, asked, signal);
  expect(bucket.sandbox.get(BUCKET, SOURCES)?.equals(body)).toBe(true);
});

it('an upload of the copy of the index that a killed run left is ended an hour later', async () => {
  let clock = Date.now() - 6 * 3_600_000;
  await using bucket = await openTestBucket(ASKED, { now: () => new Date(clock) });
  bucket.putHour(2);
  await bucket.roll();
  const { client } = bucket.connection;
  await client.send(new CreateMultipartUploadCommand({ Bucket: BUCKET, Key: SOURCES }));
  clock += 3 * 3_600_000;
  const { generation } = bucket.manifest;
  expect(await bucket.roll({ now: () => new Date(clock) })).toMatchObject({ status: 'unchanged' });
  expect(bucket.sandbox.openUploads(BUCKET)).toEqual([]);
  expect(bucket.manifest.generation).toBe(generation);
});

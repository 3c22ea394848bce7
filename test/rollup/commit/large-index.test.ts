import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HeadObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type CommitInput, putManifest } from '../../../lambda/rollup/commit/put-manifest.ts';
import { SourcesIndex } from '../../../lambda/rollup/commit/sources-index.ts';
import type { CommittedSource } from '../../../lambda/rollup/model/manifest.ts';
import { KiB, MiB } from '../../../lambda/size.ts';
import { REFUSED, beforeNth, onNth, matching } from '../../support/hooks.ts';
import {
  AGGREGATED,
  BUCKET,
  DESTINATION,
  MANIFEST_KEY,
  SOURCE,
  type TestBucket,
  failureOf,
  openTestBucket,
} from '../../support/test-bucket.ts';

/** Bytes that the spools of a run hold in memory, and of an index that is copied whole. */
const { HELD } = vi.hoisted(() => ({ HELD: 512 }));

vi.mock(import('../../../lambda/rollup/commit/spool.ts'), async (original) => {
  const { Spool } = await original();
  return {
    MOST_HELD: HELD,
    Spool: class extends Spool {
      constructor(most = HELD) {
        super(most);
      }
    },
  };
});

const { Spool } = await import('../../../lambda/rollup/commit/spool.ts');

const INDEX = `${AGGREGATED}_sources-`;
const COPY = `${AGGREGATED}_sources/sources.jsonl.gz`;
const LIST = `${AGGREGATED}_symlink_format_manifest/manifest`;
const ASKED = { symlinkManifest: true };

let temporary: string;

beforeEach(() => {
  temporary = mkdtempSync(join(tmpdir(), 'large-index-'));
  vi.stubEnv('TMPDIR', temporary);
});

afterEach(() => {
  expect(readdirSync(temporary)).toEqual([]);
  rmSync(temporary, { recursive: true });
  vi.unstubAllEnvs();
});

/** Temporary files of ours that this process has open. They have no name any more. */
function openFiles(): string[] {
  return readdirSync('/proc/self/fd')
    .map((fd) => linkOf(`/proc/self/fd/${fd}`))
    .filter((path) => path.startsWith(temporary));
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

/** Sources whose lines hardly compress: 12,000 of them make an index of two parts. */
function* sourcesOf(first: number, end: number): Generator<CommittedSource> {
  for (let i = first; i < end; i++) {
    const etag = createHash('shake256', { outputLength: 900 }).update(String(i)).digest('base64');
    const key = `${SOURCE.prefix}${String(i)}.log`;
    yield { key, etag, size: 1, lastModified: '', output: `${AGGREGATED}part`, offset: i, length: 1 };
  }
}

/** The index of many sources, and the most bytes that were in its spool's memory. */
async function indexOf(count: number, most: number): Promise<{ index: SourcesIndex; peak: number }> {
  const spool = new Spool(most);
  const index = new SourcesIndex(spool);
  let peak = 0;
  for (let at = 0; at < count; at += 50) {
    await index.add(sourcesOf(at, at + 50));
    peak = Math.max(peak, spool.heldBytes);
  }
  return { index, peak };
}

function commitOf(bucket: TestBucket, index: SourcesIndex): CommitInput {
  return {
    ...{
      store: bucket.connection.store,
      source: SOURCE,
      destination: DESTINATION,
      settings: bucket.settings,
    },
    ...{ keepSource: undefined, generation: 0, skipped: { empty: 0, filtered: 0 }, sealed: [], added: [] },
    ...{ index, previous: undefined, now: new Date(), signal: new AbortController().signal },
  };
}

describe('an index of sources that memory does not hold', () => {
  it('is spooled, uploaded in parts, and has the name and the bytes of one in memory', async () => {
    await using bucket = await openTestBucket();
    const count = 12_000;
    const { index, peak } = await indexOf(count, 64 * KiB);
    const { index: whole } = await indexOf(count, Infinity);
    const expected = await whole.end();
    expect(peak).toBeLessThanOrEqual(64 * KiB);
    expect(expected.body?.length).toBeGreaterThan(8 * MiB);

    // It begins anew where somebody ends the upload, as another run's commit does.
    bucket.sandbox.hook = beforeNth(2, matching('UploadPart', INDEX), () =>
      Promise.all(
        bucket.sandbox
          .openUploads(BUCKET)
          .map((upload) => bucket.connection.store.abortUpload({ bucket: BUCKET, ...upload })),
      ),
    );
    const outcome = await putManifest(commitOf(bucket, index));
    await index.close();
    expect(outcome).toMatchObject({ status: 'committed', manifest: { sources: { count } } });
    const key = AGGREGATED + expected.name;
    expect(bucket.manifest.sources).toEqual({ key, count });
    expect(expected.body?.equals(bucket.sandbox.get(BUCKET, key) ?? Buffer.alloc(0))).toBe(true);
    expect(await typeOf(bucket, key)).toBe('application/gzip');
    expect(bucket.requests('CreateMultipartUpload', INDEX)).toHaveLength(2);
    expect(bucket.requests('PutObject', INDEX)).toEqual([]);
    expect(bucket.sandbox.openUploads(BUCKET)).toEqual([]);
  });

  it('is committed and copied like any other, and a run that finds it complete does not send it again', async () => {
    await using bucket = await openTestBucket(ASKED);
    bucket.putHour(120);
    bucket.sandbox.hook = onNth(1, matching('PutObject', MANIFEST_KEY), REFUSED);
    expect(await failureOf(bucket.roll())).toMatchObject({ code: 'AccessDenied' });
    const [written] = bucket.requests('PutObject', INDEX);
    expect(bucket.sandbox.get(BUCKET, written?.key ?? '')?.length).toBeGreaterThan(HELD);
    bucket.sandbox.clearRequests();

    expect(await bucket.roll()).toMatchObject({ status: 'committed' });
    expect(bucket.requests('PutObject', INDEX)).toEqual([]);
    expect(bucket.requests('HeadObject', INDEX).length).toBeGreaterThan(0);
    await expectCopied(bucket);
    // Late ones too; the copy is replaced.
    bucket.put('late.log', 'late\n');
    expect(await bucket.roll()).toMatchObject({ status: 'committed' });
    await expectCopied(bucket);
    bucket.sandbox.clearRequests();
    expect(await bucket.roll()).toMatchObject({ status: 'unchanged' });
    expect(bucket.writes()).toEqual([]);
    await bucket.expectSound({ leftovers: [COPY, LIST] });
  });

  it('has its copy written anew where another run came in between', async () => {
    await using bucket = await openTestBucket(ASKED);
    bucket.putHour(60);
    bucket.sandbox.hook = beforeNth(1, matching('PutObject', COPY), () => {
      bucket.sandbox.put(BUCKET, COPY, 'another run was here');
    });
    expect(await bucket.roll()).toMatchObject({ status: 'committed' });
    expect(bucket.requests('PutObject', COPY)).toHaveLength(2);
    await expectCopied(bucket);
  });

  it('is replaced where another object lies under its name', async () => {
    await using bucket = await openTestBucket();
    bucket.putHour(60);
    await bucket.roll();
    const { key } = bucket.manifest.sources;
    const body = bucket.sandbox.get(BUCKET, key);
    bucket.sandbox.delete(BUCKET, MANIFEST_KEY);
    bucket.sandbox.put(BUCKET, key, Buffer.alloc(body?.length ?? 0));
    expect(await bucket.roll()).toMatchObject({ status: 'committed', written: 0 });
    expect(bucket.sandbox.get(BUCKET, key)).toEqual(body);
    await bucket.expectSound();
  });

  it('that finds no room in a temporary file is an error that says where it was to be, and nothing is committed', async () => {
    await using bucket = await openTestBucket();
    bucket.putHour(120);
    vi.stubEnv('TMPDIR', join(temporary, 'not-there'));
    const failure = await failureOf(bucket.roll());
    expect(failure).toMatchObject({ code: 'NoTemporaryFile' });
    expect(failure.message).toContain(`${temporary}/not-there/`);
    expect(failure.message).toContain('TMPDIR');
    expect(bucket.isCommitted).toBe(false);
    vi.stubEnv('TMPDIR', temporary);
    expect(await bucket.roll()).toMatchObject({ status: 'committed', written: 0 });
    await bucket.expectSound();
  });

  it('gives its file up where the run fails, has no time, or loses', async () => {
    await using bucket = await openTestBucket();
    bucket.putHour(120);
    const before = openFiles();
    let outputs = 0;
    expect(await bucket.roll({ hasTime: () => ++outputs < 4 })).toMatchObject({ status: 'incomplete' });
    expect(openFiles()).toEqual(before);
    bucket.sandbox.hook = onNth(1, matching('PutObject', MANIFEST_KEY), REFUSED);
    await failureOf(bucket.roll());
    expect(openFiles()).toEqual(before);
  });
});

async function typeOf({ sandbox }: TestBucket, key: string): Promise<string | undefined> {
  const client = new S3Client({ endpoint: sandbox.endpoint, forcePathStyle: true });
  try {
    return (await client.send(new HeadObjectCommand({ Bucket: BUCKET, Key: key }))).ContentType;
  } finally {
    client.destroy();
  }
}

/** The copy for tables is what the manifest names. */
async function expectCopied(bucket: TestBucket): Promise<void> {
  const { key } = bucket.manifest.sources;
  expect(bucket.sandbox.get(BUCKET, COPY)?.equals(bucket.sandbox.get(BUCKET, key) ?? Buffer.alloc(0))).toBe(
    true,
  );
  expect(await typeOf(bucket, COPY)).toBe('application/gzip');
}

import { gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { commitPlan } from '../../../lambda/rollup/fan-out/commit-step.ts';
import { itemSchema, planFiles } from '../../../lambda/rollup/fan-out/plan-file.ts';
import { planToFile } from '../../../lambda/rollup/fan-out/plan-step.ts';
import { writeItems } from '../../../lambda/rollup/fan-out/write-step.ts';
import { verify } from '../../../lambda/rollup/inspect/verify.ts';
import type { Settings } from '../../../lambda/settings/table.ts';
import { REFUSED, matching, onNth } from '../../support/hooks.ts';
import {
  AGGREGATED,
  BUCKET,
  DESTINATION,
  RAW,
  SOURCE,
  type TestBucket,
  failureOf,
  logLines,
  openTestBucket,
  withCrc32,
} from '../../support/test-bucket.ts';

/** The checksum that S3 holds of a source. Without one of its writer's, S3 holds a CRC-64/NVME that it computes itself. */
type Kept = 'CRC-32' | 'CRC-64/NVME';

interface Hour {
  settings?: Partial<Settings>;
  bodies: Record<string, Buffer>;
}

const WHOLE = Array.from({ length: 6 }, (_, i) => logLines(40_000 + i));
const HOURS: Record<string, Hour> = {
  'plain text': { bodies: named(WHOLE, '.log') },
  'plain text, of which some lacks its last newline': {
    bodies: named(
      WHOLE.map((body, i) => (i % 2 === 0 ? body.subarray(0, -1) : body)),
      '.log',
    ),
  },
  'gzip as it is': {
    bodies: named(
      WHOLE.map((body) => gzipSync(body)),
      '.log.gz',
    ),
  },
  'a copy of a large source': { bodies: { 'large.log': logLines(6_000_000) } },
  'gzip, encoded': {
    settings: { codec: 'gzip' },
    bodies: { ...named(WHOLE, '.log'), 'z.log.gz': gzipSync(logLines(3_000)) },
  },
};
const KINDS = Object.keys(HOURS);

function named(bodies: Buffer[], extension: string): Record<string, Buffer> {
  return Object.fromEntries(bodies.map((body, i) => [`${i}${extension}`, body]));
}

/** An hour whose one output is written and not committed. */
async function written(hour: string, kept: Kept): Promise<TestBucket> {
  const { settings = {}, bodies } = HOURS[hour] as Hour;
  const bucket = await openTestBucket(settings);
  for (const [name, body] of Object.entries(bodies))
    bucket.put(name, body, kept === 'CRC-64/NVME' ? {} : { headers: withCrc32(body) });
  bucket.sandbox.hook = onNth(1, matching('PutObject', `${AGGREGATED}_sources`), REFUSED);
  expect((await failureOf(bucket.roll())).code).toBe('AccessDenied');
  bucket.sandbox.hook = undefined;
  bucket.sandbox.clearRequests();
  expect(bucket.sandbox.keys(BUCKET, `${AGGREGATED}part-`)).toHaveLength(1);
  return bucket;
}

function outputOf(bucket: TestBucket): string {
  const [key = ''] = bucket.sandbox.keys(BUCKET, `${AGGREGATED}part-`);
  return key;
}

/** Replaces an output by other bytes of the same size, with its metadata, as if they had been written so. */
function plant(bucket: TestBucket, key: string, { withChecksum = true } = {}): void {
  const body = Buffer.from(bucket.sandbox.get(BUCKET, key) as Buffer);
  if (key.endsWith('.log')) body.fill('x', 5_000, 6_000);
  else gzipSync(logLines(2_000)).copy(body);
  const headers = {
    ...bucket.sandbox.attributes(BUCKET, key)?.headers,
    ...(withChecksum ? withCrc32(body) : {}),
  };
  bucket.sandbox.put(BUCKET, key, body, { headers });
}

const bodiesRead = (bucket: TestBucket): number => bucket.downloads().length;
const inRaw = (bucket: TestBucket): number => bucket.sandbox.keys(BUCKET, RAW).length;

describe('an existing output', () => {
  describe.each(KINDS)('%s', (hour) => {
    it.each<[string, Kept, boolean]>([
      ['whose sources have CRC-32s', 'CRC-32', true],
      ['whose sources have CRC-64/NVMEs', 'CRC-64/NVME', true],
      ['without a CRC-32 of its own', 'CRC-32', false],
    ])('%s, and has other bytes, is written anew', async (_, kept, withChecksum) => {
      await using bucket = await written(hour, kept);
      const key = outputOf(bucket);
      const right = bucket.sandbox.get(BUCKET, key);
      plant(bucket, key, { withChecksum });
      expect(await bucket.roll({ deleteSource: true })).toMatchObject({
        status: 'committed',
        reused: 0,
        deleted: { objects: Object.keys(HOURS[hour]?.bodies ?? {}).length },
      });
      expect(bucket.sandbox.get(BUCKET, key)?.equals(right as Buffer)).toBe(true);
      await bucket.expectSound();
    });

    it.each<[Kept]>([['CRC-32'], ['CRC-64/NVME']])(
      'is reused where it is sound; sources have %s',
      async (kept) => {
        await using bucket = await written(hour, kept);
        const key = outputOf(bucket);
        const { etag } = bucket.sandbox.head(BUCKET, key) ?? {};
        expect(await bucket.roll({ deleteSource: true })).toMatchObject({
          status: 'committed',
          ...{ written: 0, copied: 0, reused: 1 },
        });
        expect(bucket.sandbox.head(BUCKET, key)?.etag).toBe(etag);
        const uploads = ['UploadPart', 'CopyObject'] as const;
        expect(uploads.flatMap((operation) => bucket.requests(operation, AGGREGATED))).toEqual([]);
        expect(inRaw(bucket)).toBe(0);
        // A copy has a CRC-32, which S3 computes as it copies.
        const isComparable = kept === 'CRC-32' || !hour.includes('copy');
        if (isComparable && !hour.includes('encoded')) expect(bodiesRead(bucket)).toBe(0);
        await bucket.expectSound();
      },
    );

    it('that earlier invocations wrote is reused without a look at its sources', async () => {
      await using bucket = await written(hour, 'CRC-32');
      expect(await bucket.roll({ trustExisting: true })).toMatchObject({ written: 0, copied: 0, reused: 1 });
      expect(bucket.requests('HeadObject', RAW)).toEqual([]);
      // With a codec some sources are read to measure ratios.
      if (!hour.includes('encoded')) expect(bodiesRead(bucket)).toBe(0);
      await bucket.expectSound();
    });

    it('that was reused so keeps its sources in raw where it has other bytes; verify finds it, a repack mends it', async () => {
      await using bucket = await written(hour, 'CRC-32');
      const key = outputOf(bucket);
      plant(bucket, key);
      const sources = inRaw(bucket);
      const trusting = await bucket.roll({ trustExisting: true, deleteSource: true });
      expect(trusting).toMatchObject({
        status: 'committed',
        reused: 1,
        deleted: { objects: 0, kept: { unverified: sources }, complete: true },
        problems: [{ code: 'OutputDamaged', key }],
      });
      expect(trusting.problems?.[0]?.message).toContain('--repack');
      expect(await bucket.roll({ deleteSource: true })).toMatchObject({
        status: 'unchanged',
        deleted: { objects: 0, kept: { unverified: sources } },
      });
      const { store } = bucket.connection;
      const { signal } = new AbortController();
      const options = { store, deep: true, concurrency: 2, progress: () => undefined, signal };
      expect(await verify(DESTINATION, options)).toMatchObject({ status: 'mismatch' });
      expect(await bucket.roll({ repack: true, deleteSource: true })).toMatchObject({
        status: 'committed',
        reused: 0,
        deleted: { objects: sources },
      });
      await bucket.expectSound();
    });
  });

  it('with a wrong sidecar is reused, and the sidecar and the index of sources are right afterwards', async () => {
    await using bucket = await written('gzip, encoded', 'CRC-32');
    const key = outputOf(bucket);
    const [sidecar = ''] = bucket.sandbox.keys(BUCKET, `${AGGREGATED}_frames/`);
    const told = JSON.parse(gunzipSync(bucket.sandbox.get(BUCKET, sidecar) as Buffer).toString()) as {
      sources: { length: number }[];
    };
    const [first, second] = told.sources;
    if (first !== undefined && second !== undefined)
      [first.length, second.length] = [second.length, first.length];
    bucket.sandbox.put(BUCKET, sidecar, gzipSync(JSON.stringify(told)));
    expect(await bucket.roll({ deleteSource: true })).toMatchObject({ reused: 1, deleted: { objects: 7 } });
    expect(bucket.manifest.outputs.map((output) => output.key)).toEqual([key]);
    await bucket.expectSound();
  });
});

describe('an output of which some sources have left raw', () => {
  it.each<[string, Kept]>([
    ['plain text', 'CRC-32'],
    ['plain text', 'CRC-64/NVME'],
    ['gzip, encoded', 'CRC-64/NVME'],
  ])('leave raw once what holds the others is proven: %s, %s', async (hour, kept) => {
    await using bucket = await written(hour, kept);
    const key = outputOf(bucket);
    await bucket.roll();
    bucket.remove('0.log');
    expect(await bucket.roll({ deleteSource: true })).toMatchObject({
      status: 'unchanged',
      deleted: { kept: { unverified: 0 }, complete: true },
    });
    expect(inRaw(bucket)).toBe(0);
    expect(bucket.sandbox.head(BUCKET, key)).toBeDefined();
  });
});

it('a deletion of sources that has no time for its proofs says so', async () => {
  await using bucket = await openTestBucket();
  bucket.putHour(20);
  await bucket.roll();
  let asked = 0;
  expect(await bucket.roll({ deleteSource: true, hasTime: () => ++asked < 4 })).toMatchObject({
    status: 'unchanged',
    deleted: { objects: 0, kept: { unverified: 0 }, complete: false },
  });
  expect(await bucket.roll({ deleteSource: true })).toMatchObject({ deleted: { objects: 20 } });
});

describe('in the fan-out, an existing output', () => {
  const request = { source: SOURCE, destination: DESTINATION };
  const contextOf = ({ connection: { store }, settings }: TestBucket, deleteSource = false) => ({
    ...{ store, settings: { ...settings, deleteSource }, now: () => new Date(), report: () => undefined },
    ...{ hasTime: () => true, signal: new AbortController().signal },
  });

  it.each([
    ['stood before the plan is written anew', true],
    ['came to be there since is taken, and proven before raw is deleted', false],
  ])('what %s', async (_, before) => {
    await using bucket = await written('plain text', 'CRC-32');
    const key = outputOf(bucket);
    if (before) plant(bucket, key);
    else bucket.sandbox.delete(BUCKET, key);
    const plan = await planToFile(request, contextOf(bucket));
    if (plan.status !== 'planned') throw new Error(`It was ${plan.status}.`);
    const lines =
      bucket.sandbox.get(BUCKET, planFiles(plan.at).items.key)?.toString().trimEnd().split('\n') ?? [];
    const items = lines.map((line) => itemSchema.parse(JSON.parse(line)));
    const write = () => writeItems(plan, items, request, contextOf(bucket));
    if (before) {
      expect(await write()).toMatchObject({ counts: { written: 1, reused: 0 } });
    } else {
      await write();
      plant(bucket, key);
      bucket.sandbox.clearRequests();
      expect(await write()).toMatchObject({ counts: { written: 0, reused: 1 } });
      expect(bucket.requests('HeadObject', RAW)).toEqual([]);
    }
    const outcome = await commitPlan(plan, request, contextOf(bucket, true));
    expect(outcome).toMatchObject({
      status: 'committed',
      deleted: { objects: before ? 6 : 0, kept: { unverified: before ? 0 : 6 } },
    });
    if (before) await bucket.expectSound();
  });
});

import { CreateMultipartUploadCommand, S3Client } from '@aws-sdk/client-s3';
import { describe, expect, it } from 'vitest';
import { MiB } from '../../lambda/size.ts';
import type { Fault, SandboxRequest } from '../../sandbox/sandbox.ts';
import { REFUSED, beforeNth, gate, matching, onNth } from '../support/hooks.ts';
import {
  AGGREGATED,
  BUCKET,
  MANIFEST_KEY,
  RAW,
  type TestBucket,
  failureOf,
  logLines,
  openTestBucket,
} from '../support/test-bucket.ts';

const HOURS = 3_600_000;

const isCommit = (request: SandboxRequest): boolean =>
  request.operation === 'PutObject' && request.key === MANIFEST_KEY;

/** Bytes of what is ours in looks and in nothing else. */
const PART = `${AGGREGATED}part-00000-0123456789ab.log`;
const INDEX = `${AGGREGATED}_sources-0123456789ab.jsonl.gz`;

describe('two runs of one hour', () => {
  it('at the same time: one commits, and the other finds that nothing is left to do', async () => {
    await using bucket = await openTestBucket();
    bucket.putHour(300);
    const results = await Promise.all([bucket.roll(), bucket.roll({ connection: bucket.connect() })]);
    expect(results.map(({ status }) => status).toSorted()).toEqual(['committed', 'unchanged']);
    await bucket.expectSound();
    expect(bucket.requests('PutObject', MANIFEST_KEY)).toHaveLength(2);
  });

  it('that commit at the same moment: one commits, and the other ends unchanged', async () => {
    await using bucket = await openTestBucket();
    bucket.putHour(150);
    // Each waits at its manifest until the other is there too.
    const both = Promise.withResolvers<undefined>();
    let waiting = 0;
    bucket.sandbox.hook = async (request) => {
      if (isCommit(request) && ++waiting === 2) both.resolve(undefined);
      if (isCommit(request)) await both.promise;
      return undefined;
    };
    const results = await Promise.all([bucket.roll(), bucket.roll({ connection: bucket.connect() })]);
    expect(results.map(({ status }) => status).toSorted()).toEqual(['committed', 'unchanged']);
    await bucket.expectSound();
  });

  it('of which the slow one saw less: what it wrote is deleted, and it ends unchanged', async () => {
    await using bucket = await openTestBucket();
    bucket.putHour(150);
    const slow = gate(isCommit);
    bucket.sandbox.hook = slow.hook;
    const first = bucket.roll();
    await slow.reached;
    bucket.put('00000-late.log', 'late\n');
    const second = await bucket.roll({ connection: bucket.connect() });
    expect(second).toMatchObject({ status: 'committed', objects: 151 });
    slow.open();
    expect(await first).toMatchObject({ status: 'unchanged', objects: 151 });
    await bucket.expectSound();
  });

  it('of which the slow one may not delete what it wrote: it ends unchanged', async () => {
    await using bucket = await openTestBucket();
    bucket.putHour(150);
    const slow = gate(isCommit);
    bucket.sandbox.hook = (request) => (request.operation === 'DeleteObjects' ? REFUSED : slow.hook(request));
    const first = bucket.roll();
    await slow.reached;
    bucket.put('00000-late.log', 'late\n');
    expect(await bucket.roll({ connection: bucket.connect() })).toMatchObject({ status: 'committed' });
    slow.open();
    expect(await first).toMatchObject({ status: 'unchanged', objects: 151 });
    await bucket.expectSound({ leftovers: bucket.leftovers() });
  });

  it('of which the slow one saw more: it commits on top', async () => {
    await using bucket = await openTestBucket();
    bucket.putHour(150);
    const late = bucket.sandbox;
    const slow = gate(isCommit);
    const listing = gate(({ operation, prefix }) => operation === 'ListObjectsV2' && prefix === RAW);
    late.hook = listing.hook;
    const less = bucket.roll();
    await listing.reached;
    // The listing that is held answers with what is there once it is let go, so the other run comes from a listing of more.
    bucket.sandbox.hook = undefined;
    listing.open();
    expect(await less).toMatchObject({ status: 'committed', objects: 150 });
    bucket.sandbox.hook = slow.hook;
    bucket.put('00001-late.log', 'late\n');
    const more = bucket.roll();
    await slow.reached;
    bucket.put('00000.log', 'changed\n');
    expect(await bucket.roll({ connection: bucket.connect() })).toMatchObject({
      status: 'committed',
      objects: 151,
    });
    bucket.put('99999.log', 'later still\n');
    slow.open();
    expect(await more).toMatchObject({ status: 'committed', objects: 152 });
    await bucket.expectSound();
  });

  it('of which one repacks: both commit', async () => {
    await using bucket = await openTestBucket();
    bucket.putHour(150);
    await bucket.roll();
    bucket.put('late.log', 'late\n');
    const slow = gate(isCommit);
    bucket.sandbox.hook = slow.hook;
    const repack = bucket.roll({ repack: true });
    await slow.reached;
    expect(await bucket.roll({ connection: bucket.connect() })).toMatchObject({
      status: 'committed',
      objects: 151,
    });
    slow.open();
    expect(await repack).toMatchObject({ status: 'committed', objects: 151 });
    expect(bucket.manifest.generation).toBe(1);
    await bucket.expectSound();
  });

  it.each(['UploadPart', 'CompleteMultipartUpload'] as const)(
    'of which the winner ends an upload that the loser is at, at %s',
    async (operation) => {
      await using bucket = await openTestBucket();
      bucket.putHour(150);
      const slow = gate(matching(operation));
      bucket.sandbox.hook = slow.hook;
      const loser = bucket.roll();
      await slow.reached;
      bucket.put('00000-late.log', 'late\n');
      const winner = await bucket.roll({ connection: bucket.connect() });
      expect(winner).toMatchObject({ status: 'committed', objects: 151 });
      slow.open();
      expect(await loser).toMatchObject({ status: 'unchanged', objects: 151 });
      await bucket.expectSound();
    },
  );

  it.each([
    [
      'at a download',
      (request: SandboxRequest) => request.operation === 'GetObject' && request.key?.startsWith(RAW) === true,
    ],
    [
      'at an upload in one request',
      (request: SandboxRequest) =>
        request.operation === 'PutObject' && request.key?.includes('/part-') === true,
    ],
    ["at an upload's begin", (request: SandboxRequest) => request.operation === 'CreateMultipartUpload'],
    ['at a copy', (request: SandboxRequest) => request.operation === 'CopyObject'],
    [
      'at its index of sources',
      (request: SandboxRequest) =>
        request.operation === 'PutObject' && request.key?.includes('/_sources-') === true,
    ],
  ])('of which the loser, %s when the winner commits, parts its uploads otherwise', async (_, where) => {
    await using bucket = await openTestBucket({ targetSize: 9 * MiB });
    // The last output lies between one part size and the other; ETags differ with the part size, though keys and bytes do not.
    for (let i = 0; i < 16; i++) bucket.put(`${i}.log`, logLines(MiB));
    bucket.put('large.log', logLines(10 * MiB));
    const slow = gate(where);
    bucket.sandbox.hook = slow.hook;
    const settings = { ...bucket.settings, partSize: 8 * MiB };
    const loser = bucket.roll({ settings, connection: bucket.connect(settings) });
    await slow.reached;
    expect(await bucket.roll()).toMatchObject({ status: 'committed', objects: 17 });
    slow.open();
    expect(await loser).toMatchObject({ status: 'unchanged' });
    // The winner's objects are as it committed them, ETags too.
    await bucket.expectSound();
  });

  it('of which one always loses: it gives up after three attempts', async () => {
    await using bucket = await openTestBucket();
    bucket.putHour(10);
    let others = 0;
    const other = bucket.connect();
    bucket.sandbox.hook = async (request) => {
      // Another run commits each time that this one is about to.
      if (!isCommit(request) || others >= 6 || others % 2 === 1) return undefined;
      others++;
      bucket.put(`late-${others}.log`, `late ${others}\n`);
      bucket.put('00000.log', `changed ${others}\n`);
      await bucket.roll({ connection: other });
      // So that it has something to commit again.
      bucket.put(`later-${others}.log`, `later ${others}\n`);
      others++;
      return undefined;
    };
    const failure = await failureOf(bucket.roll());
    expect(failure).toMatchObject({ code: 'Conflict' });
    expect(others).toBe(6);
    bucket.sandbox.hook = undefined;
    expect(await bucket.roll()).toMatchObject({ status: 'committed', objects: 16 });
    await bucket.expectSound();
  });
});

/** Writes what looks like an output, an index and somebody else's object. */
function putStrangers(bucket: TestBucket, suffix: string, ageHours: number): string[] {
  const names = [
    `part-00000-00000000000${suffix}.log`,
    `part-00099-00000000000${suffix}.log.gz`,
    `_sources-00000000000${suffix}.jsonl.gz`,
  ];
  for (const name of names) {
    bucket.sandbox.put(BUCKET, AGGREGATED + name, 'unnamed');
    bucket.sandbox.age(BUCKET, AGGREGATED + name, ageHours * HOURS);
  }
  return names.map((name) => AGGREGATED + name);
}

async function beginUpload({ sandbox }: TestBucket, key: string): Promise<void> {
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
  const client = new S3Client({
    ...{ endpoint: sandbox.endpoint, region: 'us-east-1', forcePathStyle: true, credentials },
  });
  await client.send(new CreateMultipartUploadCommand({ Bucket: BUCKET, Key: key }));
  client.destroy();
}

describe('the sweep', () => {
  const FOREIGN = [
    'notes.txt',
    '_SUCCESS',
    'part-00000.log',
    'part-00000-0123456789AB.log',
    'sub/part-00000-0123456789ab.log',
    '_manifest.json.bak',
  ];

  it.each([
    ['that commits', 'commits'],
    ['that finds nothing new, by a manifest that is younger than that by an hour', 'nothing'],
    ['that finds nothing new, once it has replaced an older manifest', 'replaces'],
    [
      'that finds nothing new, once it has replaced an earlier manifest that was put back',
      'replaces earlier',
    ],
  ])('of a run %s takes what is unnamed and over an hour old, and nothing else', async (_, how) => {
    await using bucket = await openTestBucket();
    bucket.putHour(100);
    const began = Date.now();
    await bucket.roll(how === 'replaces earlier' ? { now: () => new Date(began - 5 * HOURS) } : {});
    const commits = how === 'commits';
    const replaces = how.startsWith('replaces');
    for (const { key } of bucket.manifest.outputs) bucket.sandbox.age(BUCKET, key, 100 * HOURS);
    if (how === 'replaces') bucket.sandbox.age(BUCKET, MANIFEST_KEY, HOURS);
    const old = putStrangers(bucket, 'a', 1.1);
    // Where nothing is new, young ones are a sign that a run is at work: see below.
    const young = commits ? putStrangers(bucket, 'b', 0.9) : [];
    for (const name of FOREIGN) {
      bucket.sandbox.put(BUCKET, AGGREGATED + name, 'foreign');
      bucket.sandbox.age(BUCKET, AGGREGATED + name, 100 * HOURS);
    }
    const generation = bucket.manifest.generation;
    if (commits) bucket.put('late.log', 'late\n');
    const result = await bucket.roll();
    expect(result).toMatchObject({ status: commits ? 'committed' : 'unchanged' });
    const there = new Set(bucket.sandbox.keys(BUCKET, AGGREGATED));
    expect(old.filter((key) => there.has(key))).toEqual([]);
    expect(young.filter((key) => !there.has(key))).toEqual([]);
    expect(FOREIGN.filter((name) => !there.has(AGGREGATED + name))).toEqual([]);
    expect(bucket.manifest.generation).toBe(generation + (replaces ? 1 : 0));
    // Where the manifest was replaced, that came before anything was deleted.
    const changes = bucket.writes().map(({ operation, key }) => [operation, key]);
    const replaced = changes.findLastIndex(([, key]) => key === MANIFEST_KEY);
    const swept = changes.findLastIndex(([operation]) => operation === 'DeleteObjects');
    expect(bucket.requests('PutObject', MANIFEST_KEY)).toHaveLength(commits || replaces ? 2 : 1);
    expect(swept).toBeGreaterThan(replaced);
    await bucket.expectSound({
      leftovers: [...young, ...FOREIGN.map((name) => AGGREGATED + name)].toSorted(),
    });
  });

  it('makes a slow run that counts on what was swept lose, and plan again', async () => {
    await using bucket = await openTestBucket();
    bucket.putHour(5);
    await bucket.roll();
    // A run was killed an hour ago, with an output of a late object written.
    bucket.put('late.log', 'late\n');
    bucket.sandbox.hook = (request) =>
      isCommit(request) ? { kind: 'error', status: 403, code: 'AccessDenied' } : undefined;
    await failureOf(bucket.roll());
    for (const key of [MANIFEST_KEY, ...bucket.leftovers()]) bucket.sandbox.age(BUCKET, key, 2 * HOURS);
    const [unnamed = ''] = bucket.leftovers().filter((key) => key.includes('/part-'));
    expect(unnamed).not.toBe('');
    // The slow run takes it for written.
    const slow = gate(isCommit);
    bucket.sandbox.hook = slow.hook;
    const counting = bucket.roll();
    await slow.reached;
    // Meanwhile the late object has expired, so the other run finds nothing new, and sweeps.
    bucket.remove('late.log');
    expect(await bucket.roll({ connection: bucket.connect() })).toMatchObject({
      status: 'unchanged',
      objects: 5,
    });
    expect(bucket.sandbox.head(BUCKET, unnamed)).toBeUndefined();
    bucket.put('late.log', 'late\n');
    slow.open();
    expect(await counting).toMatchObject({ status: 'committed', objects: 6, written: 1 });
    expect(bucket.manifest.outputs.every(({ key }) => key !== unnamed)).toBe(true);
    await bucket.expectSound();
  });

  it('of a run that finds nothing new waits for a repack that takes over an hour', async () => {
    await using bucket = await openTestBucket();
    bucket.putHour(300);
    await bucket.roll();
    // The repack has written its first output two hours ago, and another just now.
    const parts = matching('CreateMultipartUpload', AGGREGATED);
    const slow = gate((request) => isCommit(request));
    bucket.sandbox.hook = slow.hook;
    const repacking = bucket.roll({ repack: true });
    await slow.reached;
    const [first = '', ...others] = bucket.leftovers().filter((key) => key.includes('/part-'));
    expect(others.length).toBeGreaterThan(0);
    for (const key of [MANIFEST_KEY, first]) bucket.sandbox.age(BUCKET, key, 2 * HOURS);
    expect(await bucket.roll({ connection: bucket.connect() })).toMatchObject({ status: 'unchanged' });
    expect(bucket.sandbox.head(BUCKET, first)).toBeDefined();
    bucket.sandbox.requests.length = 0;
    slow.open();
    expect(await repacking).toMatchObject({ status: 'committed' });
    // It did not begin again.
    expect(bucket.sandbox.requests.filter(parts)).toEqual([]);
    expect(bucket.downloads()).toEqual([]);
    await bucket.expectSound();
  });

  it.each([
    ['a request', REFUSED],
    ['single keys', { kind: 'refuse-keys', code: () => 'AccessDenied' }],
  ] as [string, Fault][])(
    'that is refused %s in every run writes the manifest once, and tells the problem each time',
    async (_, fault) => {
      let now = new Date();
      await using bucket = await openTestBucket({}, { now: () => now });
      bucket.putHour(5);
      await bucket.roll({ now: () => now });
      putStrangers(bucket, 'a', 0);
      await beginUpload(bucket, PART);
      bucket.sandbox.hook = (request) => {
        if (request.operation === 'DeleteObjects') return fault;
        return request.operation === 'AbortMultipartUpload' ? REFUSED : undefined;
      };
      const generations: number[] = [];
      for (let run = 0; run < 4; run++) {
        now = new Date(now.getTime() + 2 * HOURS);
        const { status, problems } = await bucket.roll({ connection: bucket.connect(), now: () => now });
        expect({ status, problems }).toMatchObject({
          status: 'unchanged',
          problems: [{ code: 'AccessDenied' }],
        });
        generations.push(bucket.manifest.generation);
      }
      expect(generations).toEqual([1, 1, 1, 1]);
      expect(bucket.requests('PutObject', MANIFEST_KEY)).toHaveLength(2);
    },
  );

  it('deletes nothing where the manifest that it goes by was replaced by an earlier one, put back by hand', async () => {
    await using bucket = await openTestBucket();
    bucket.putHour(5);
    await bucket.roll();
    const earlier = bucket.sandbox.get(BUCKET, MANIFEST_KEY) ?? '';
    const old = putStrangers(bucket, 'a', 2);
    bucket.sandbox.age(BUCKET, MANIFEST_KEY, 2 * HOURS);
    let reads = 0;
    bucket.sandbox.hook = ({ operation, key }) => {
      // It has replaced the manifest, and looks what stands.
      if (operation === 'GetObject' && key === MANIFEST_KEY && ++reads === 2)
        bucket.sandbox.put(BUCKET, MANIFEST_KEY, earlier);
      return undefined;
    };
    expect(await bucket.roll()).toMatchObject({ status: 'unchanged' });
    expect(bucket.leftovers()).toEqual(old.toSorted());
    expect(reads).toBe(2);
  });

  it('goes on behind a request that is refused, and tells it', async () => {
    await using bucket = await openTestBucket();
    bucket.putHour(5);
    await bucket.roll();
    for (let i = 0; i < 2500; i++) {
      const key = `${AGGREGATED}part-${String(i).padStart(5, '0')}-0123456789ab.log`;
      bucket.sandbox.put(BUCKET, key, 'leftover');
      bucket.sandbox.age(BUCKET, key, 2 * HOURS);
    }
    bucket.sandbox.hook = onNth(1, matching('DeleteObjects'), REFUSED);
    expect(await bucket.roll()).toMatchObject({ status: 'unchanged', problems: [{ code: 'AccessDenied' }] });
    expect(bucket.leftovers()).toHaveLength(1000);
  });

  it('that loses the manifest to a commit deletes nothing', async () => {
    await using bucket = await openTestBucket();
    bucket.putHour(5);
    await bucket.roll();
    const old = putStrangers(bucket, 'a', 2);
    bucket.sandbox.age(BUCKET, MANIFEST_KEY, 2 * HOURS);
    const other = bucket.connect();
    bucket.sandbox.hook = beforeNth(1, isCommit, async () => {
      bucket.put('late.log', 'late\n');
      // The other's own sweep is refused, so that what is left was left by the loser.
      bucket.sandbox.hook = ({ operation }) =>
        operation === 'DeleteObjects' ? { kind: 'error', status: 403, code: 'AccessDenied' } : undefined;
      const { problems } = await bucket.roll({ connection: other });
      expect(problems).toMatchObject([{ code: 'AccessDenied' }]);
      bucket.sandbox.hook = undefined;
    });
    expect(await bucket.roll()).toMatchObject({ status: 'unchanged', objects: 5 });
    expect(bucket.leftovers()).toEqual(expect.arrayContaining(old));
    expect(bucket.manifest.totals.objects).toBe(6);
  });

  it('leaves a prefix alone that has no manifest and no commit', async () => {
    await using bucket = await openTestBucket();
    bucket.put('a.parquet', 'PAR1\x15\x04');
    for (const key of [PART, INDEX]) {
      bucket.sandbox.put(BUCKET, key, 'unnamed');
      bucket.sandbox.age(BUCKET, key, 100 * HOURS);
    }
    await failureOf(bucket.roll());
    expect(bucket.sandbox.keys(BUCKET, AGGREGATED)).toEqual([INDEX, PART]);
  });
});

it('outputs that a commit replaced are deleted, and those of a failed delete are swept an hour later', async () => {
  await using bucket = await openTestBucket();
  bucket.putHour(100);
  await bucket.roll();
  bucket.put('00000.log', 'changed\n');
  bucket.sandbox.hook = ({ operation }) =>
    operation === 'DeleteObjects' ? { kind: 'error', status: 403, code: 'AccessDenied' } : undefined;
  // The hour is committed: what was refused is told with that.
  expect(await bucket.roll()).toMatchObject({
    status: 'committed',
    written: 1,
    problems: [{ code: 'AccessDenied', message: expect.stringContaining('DeleteObjects') as unknown }],
  });
  expect(bucket.leftovers()).toHaveLength(2);
  bucket.sandbox.hook = undefined;
  const next = await bucket.roll();
  expect(next).toMatchObject({ status: 'unchanged' });
  expect(next).not.toHaveProperty('problems');
  expect(bucket.leftovers()).toHaveLength(2);
  for (const key of bucket.leftovers()) bucket.sandbox.age(BUCKET, key, 2 * HOURS);
  expect(await bucket.roll()).toMatchObject({ status: 'unchanged' });
  await bucket.expectSound();
});

import { describe, expect, it, vi } from 'vitest';
import { MiB } from '../../lambda/size.ts';
import type { SandboxRequest } from '../../sandbox/sandbox.ts';
import { beforeNth, gate, matching } from '../support/hooks.ts';
import {
  AGGREGATED,
  BUCKET,
  MANIFEST_KEY,
  RAW,
  type World,
  failureOf,
  logLines,
  openWorld,
} from '../support/world.ts';

const HOURS = 3_600_000;

const isCommit = (request: SandboxRequest): boolean =>
  request.operation === 'PutObject' && request.key === MANIFEST_KEY;

/** Bytes of what is ours in looks and in nothing else. */
const PART = `${AGGREGATED}part-00000-0123456789ab.log`;
const INDEX = `${AGGREGATED}_sources-0123456789ab.jsonl.gz`;

describe('two runs of one hour', () => {
  it('at the same time: one commits, and the other finds that nothing is left to do', async () => {
    await using world = await openWorld();
    world.putHour(300);
    const results = await Promise.all([world.roll(), world.roll({ connection: world.connect() })]);
    expect(results.map(({ status }) => status).toSorted()).toEqual(['committed', 'unchanged']);
    await world.expectSound();
    expect(world.requests('PutObject', MANIFEST_KEY)).toHaveLength(2);
  });

  it('of which both come to commit at once', async () => {
    await using world = await openWorld();
    world.putHour(150);
    // Each waits at its manifest until the other is there too.
    const both = Promise.withResolvers<undefined>();
    let waiting = 0;
    world.sandbox.hook = async (request) => {
      if (isCommit(request) && ++waiting === 2) both.resolve(undefined);
      if (isCommit(request)) await both.promise;
      return undefined;
    };
    const results = await Promise.all([world.roll(), world.roll({ connection: world.connect() })]);
    expect(results.map(({ status }) => status).toSorted()).toEqual(['committed', 'unchanged']);
    await world.expectSound();
  });

  it('of which the slow one saw less: what it wrote is deleted, and it ends unchanged', async () => {
    await using world = await openWorld();
    world.putHour(150);
    const slow = gate(isCommit);
    world.sandbox.hook = slow.hook;
    const first = world.roll();
    await slow.reached;
    world.put('00000-late.log', 'late\n');
    const second = await world.roll({ connection: world.connect() });
    expect(second).toMatchObject({ status: 'committed', objects: 151 });
    slow.open();
    expect(await first).toMatchObject({ status: 'unchanged', objects: 151 });
    await world.expectSound();
  });

  it('of which the slow one saw more: it commits on top', async () => {
    await using world = await openWorld();
    world.putHour(150);
    const late = world.sandbox;
    const slow = gate(isCommit);
    const listing = gate(({ operation, prefix }) => operation === 'ListObjectsV2' && prefix === RAW);
    late.hook = listing.hook;
    const less = world.roll();
    await listing.reached;
    // The listing that is held answers with what is there once it is let go, so the other run comes from a listing of more.
    world.sandbox.hook = undefined;
    listing.open();
    expect(await less).toMatchObject({ status: 'committed', objects: 150 });
    world.sandbox.hook = slow.hook;
    world.put('00001-late.log', 'late\n');
    const more = world.roll();
    await slow.reached;
    world.put('00000.log', 'changed\n');
    expect(await world.roll({ connection: world.connect() })).toMatchObject({
      status: 'committed',
      objects: 151,
    });
    world.put('99999.log', 'later still\n');
    slow.open();
    expect(await more).toMatchObject({ status: 'committed', objects: 152 });
    await world.expectSound();
  });

  it('of which one repacks', async () => {
    await using world = await openWorld();
    world.putHour(150);
    await world.roll();
    world.put('late.log', 'late\n');
    const slow = gate(isCommit);
    world.sandbox.hook = slow.hook;
    const repack = world.roll({ repack: true });
    await slow.reached;
    expect(await world.roll({ connection: world.connect() })).toMatchObject({
      status: 'committed',
      objects: 151,
    });
    slow.open();
    expect(await repack).toMatchObject({ status: 'committed', objects: 151 });
    expect(world.manifest.generation).toBe(1);
    await world.expectSound();
  });

  it.each(['UploadPart', 'CompleteMultipartUpload'] as const)(
    'of which the winner ends an upload that the loser is at, at %s',
    async (operation) => {
      await using world = await openWorld();
      world.putHour(150);
      const slow = gate(matching(operation));
      world.sandbox.hook = slow.hook;
      const loser = world.roll();
      await slow.reached;
      world.put('00000-late.log', 'late\n');
      const winner = await world.roll({ connection: world.connect() });
      expect(winner).toMatchObject({ status: 'committed', objects: 151 });
      slow.open();
      expect(await loser).toMatchObject({ status: 'unchanged', objects: 151 });
      await world.expectSound();
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
    await using world = await openWorld({ targetSize: 9 * MiB });
    // The last output lies between one part size and the other; ETags differ with the part size, though keys and bytes do not.
    for (let i = 0; i < 16; i++) world.put(`${i}.log`, logLines(MiB));
    world.put('large.log', logLines(10 * MiB));
    const slow = gate(where);
    world.sandbox.hook = slow.hook;
    const settings = { ...world.settings, partSize: 8 * MiB };
    const loser = world.roll({ settings, connection: world.connect(settings) });
    await slow.reached;
    expect(await world.roll()).toMatchObject({ status: 'committed', objects: 17 });
    slow.open();
    expect(await loser).toMatchObject({ status: 'unchanged' });
    // The winner's objects are as it committed them, ETags too.
    await world.expectSound();
  });

  it('lose three times at the most', async () => {
    await using world = await openWorld();
    world.putHour(10);
    let others = 0;
    const other = world.connect();
    world.sandbox.hook = async (request) => {
      // Another run commits each time that this one is about to.
      if (!isCommit(request) || others >= 6 || others % 2 === 1) return undefined;
      others++;
      world.put(`late-${others}.log`, `late ${others}\n`);
      world.put('00000.log', `changed ${others}\n`);
      await world.roll({ connection: other });
      // So that it has something to commit again.
      world.put(`later-${others}.log`, `later ${others}\n`);
      others++;
      return undefined;
    };
    const failure = await failureOf(world.roll());
    expect(failure).toMatchObject({ code: 'Conflict' });
    expect(others).toBe(6);
    world.sandbox.hook = undefined;
    expect(await world.roll()).toMatchObject({ status: 'committed', objects: 16 });
    await world.expectSound();
  });
});

/** Writes what looks like an output, an index and somebody else's object. */
function putStrangers(world: World, suffix: string, ageHours: number): string[] {
  const names = [
    `part-00000-00000000000${suffix}.log`,
    `part-00099-00000000000${suffix}.log.gz`,
    `_sources-00000000000${suffix}.jsonl.gz`,
  ];
  for (const name of names) {
    world.sandbox.put(BUCKET, AGGREGATED + name, 'unnamed');
    world.sandbox.age(BUCKET, AGGREGATED + name, ageHours * HOURS);
  }
  return names.map((name) => AGGREGATED + name);
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
    ['that commits', true],
    ['that finds nothing new', false],
  ])('of a run %s takes what is unnamed and over an hour old, and nothing else', async (_, commits) => {
    await using world = await openWorld();
    world.putHour(100);
    await world.roll();
    for (const { key } of world.manifest.outputs) world.sandbox.age(BUCKET, key, 100 * HOURS);
    const old = putStrangers(world, 'a', 1.1);
    const young = putStrangers(world, 'b', 0.9);
    for (const name of FOREIGN) {
      world.sandbox.put(BUCKET, AGGREGATED + name, 'foreign');
      world.sandbox.age(BUCKET, AGGREGATED + name, 100 * HOURS);
    }
    const generation = world.manifest.generation;
    if (commits) world.put('late.log', 'late\n');
    const result = await world.roll();
    expect(result).toMatchObject({ status: commits ? 'committed' : 'unchanged' });
    const there = new Set(world.sandbox.keys(BUCKET, AGGREGATED));
    expect(old.filter((key) => there.has(key))).toEqual([]);
    expect(young.filter((key) => !there.has(key))).toEqual([]);
    expect(FOREIGN.filter((name) => !there.has(AGGREGATED + name))).toEqual([]);
    // Where nothing was committed, the manifest was replaced by itself before anything was deleted.
    expect(world.manifest.generation).toBe(generation + (commits ? 0 : 1));
    const changes = world.writes().map(({ operation, key }) => [operation, key]);
    const replaced = changes.findIndex(([, key], i) => key === MANIFEST_KEY && i > 0);
    const swept = changes.findLastIndex(([operation]) => operation === 'DeleteObjects');
    expect(replaced).toBeGreaterThan(-1);
    expect(swept).toBeGreaterThan(replaced);
    await world.expectSound({
      leftovers: [...young, ...FOREIGN.map((name) => AGGREGATED + name)].toSorted(),
    });
  });

  it('makes a slow run that counts on what was swept lose, and plan again', async () => {
    await using world = await openWorld();
    world.putHour(5);
    await world.roll();
    // A run was killed an hour ago, with an output of a late object written.
    world.put('late.log', 'late\n');
    world.sandbox.hook = (request) =>
      isCommit(request) ? { kind: 'error', status: 403, code: 'AccessDenied' } : undefined;
    await failureOf(world.roll());
    for (const key of world.leftovers()) world.sandbox.age(BUCKET, key, 2 * HOURS);
    const [unnamed = ''] = world.leftovers().filter((key) => key.includes('/part-'));
    expect(unnamed).not.toBe('');
    // The slow run takes it for writtenOutput.
    const slow = gate(isCommit);
    world.sandbox.hook = slow.hook;
    const counting = world.roll();
    await slow.reached;
    // Meanwhile the late object has expired, so the other run finds nothing new, and sweeps.
    world.remove('late.log');
    expect(await world.roll({ connection: world.connect() })).toMatchObject({
      status: 'unchanged',
      objects: 5,
    });
    expect(world.sandbox.head(BUCKET, unnamed)).toBeUndefined();
    world.put('late.log', 'late\n');
    slow.open();
    expect(await counting).toMatchObject({ status: 'committed', objects: 6, written: 1 });
    expect(world.manifest.outputs.every(({ key }) => key !== unnamed)).toBe(true);
    await world.expectSound();
  });

  it('that loses the manifest to a commit deletes nothing', async () => {
    await using world = await openWorld();
    world.putHour(5);
    await world.roll();
    const old = putStrangers(world, 'a', 2);
    const other = world.connect();
    world.sandbox.hook = beforeNth(1, isCommit, async () => {
      world.put('late.log', 'late\n');
      // The other's own sweep is refused, so that what is left was left by the loser.
      world.sandbox.hook = ({ operation }) =>
        operation === 'DeleteObjects' ? { kind: 'error', status: 403, code: 'AccessDenied' } : undefined;
      const { problems } = await world.roll({ connection: other });
      expect(problems).toMatchObject([{ code: 'AccessDenied' }]);
      world.sandbox.hook = undefined;
    });
    expect(await world.roll()).toMatchObject({ status: 'unchanged', objects: 5 });
    expect(world.leftovers()).toEqual(expect.arrayContaining(old));
    expect(world.manifest.totals.objects).toBe(6);
  });

  it('leaves a prefix alone that has no manifest and no commit', async () => {
    await using world = await openWorld();
    world.put('a.parquet', 'PAR1');
    for (const key of [PART, INDEX]) {
      world.sandbox.put(BUCKET, key, 'unnamed');
      world.sandbox.age(BUCKET, key, 100 * HOURS);
    }
    await failureOf(world.roll());
    expect(world.sandbox.keys(BUCKET, AGGREGATED)).toEqual([INDEX, PART]);
  });
});

it('outputs that a commit replaced are deleted, and those of a failed delete are swept an hour later', async () => {
  await using world = await openWorld();
  world.putHour(100);
  await world.roll();
  world.put('00000.log', 'changed\n');
  world.sandbox.hook = ({ operation }) =>
    operation === 'DeleteObjects' ? { kind: 'error', status: 403, code: 'AccessDenied' } : undefined;
  // The hour is committed: what was refused is told with that.
  expect(await world.roll()).toMatchObject({
    status: 'committed',
    written: 1,
    problems: [{ code: 'AccessDenied', message: expect.stringContaining('DeleteObjects') as unknown }],
  });
  expect(world.leftovers()).toHaveLength(2);
  world.sandbox.hook = undefined;
  const next = await world.roll();
  expect(next).toMatchObject({ status: 'unchanged' });
  expect(next).not.toHaveProperty('problems');
  expect(world.leftovers()).toHaveLength(2);
  for (const key of world.leftovers()) world.sandbox.age(BUCKET, key, 2 * HOURS);
  expect(await world.roll()).toMatchObject({ status: 'unchanged' });
  await vi.waitFor(() => world.expectSound());
});

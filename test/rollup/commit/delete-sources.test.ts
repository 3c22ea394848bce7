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
  type World,
  failureOf,
  openWorld,
} from '../../support/world.ts';

const NOTHING_KEPT = { uncommitted: 0, changed: 0, unverified: 0, refused: 0 };
const DELETES = matching('DeleteObjects');

function inRaw(world: World): string[] {
  return world.sandbox.keys(BUCKET, RAW).map((key) => key.slice(RAW.length));
}

/** The bodies of the objects in raw, by name, before any is deleted. */
function contents(world: World): Map<string, Buffer> {
  return new Map(inRaw(world).map((name) => [name, world.sandbox.get(BUCKET, RAW + name) as Buffer]));
}

/** Every object that has left raw is in the rollup, byte for byte. */
async function expectNothingLost(world: World, was: Map<string, Buffer>): Promise<void> {
  const left = new Set(inRaw(world));
  for (const [name, body] of was) {
    if (left.has(name)) continue;
    const { bytes } = await extract(world.connection.store, DESTINATION, name);
    expect((await Array.fromAsync(bytes)).reduce((all, chunk) => Buffer.concat([all, chunk]))).toEqual(body);
  }
}

it('sources are not deleted by default', async () => {
  await using world = await openWorld();
  world.putHour(5);
  const result = await world.roll();
  expect(result).not.toHaveProperty('deleted');
  expect(inRaw(world)).toHaveLength(5);
  expect(world.writes().filter(({ key = '' }) => key.startsWith(RAW))).toEqual([]);
});

describe('after the commit, with deleteSource,', () => {
  it('committed sources are deleted from raw, and nothing else is', async () => {
    await using world = await openWorld();
    world.putHour(40);
    world.put('empty.log', '');
    const was = contents(world);
    const bytes = [...was.values()].reduce((sum, body) => sum + body.length, 0);
    world.sandbox.hook = beforeNth(1, matching('PutObject', MANIFEST_KEY), () => {
      world.put('late.log', 'late\n');
    });
    const result = await world.roll({ deleteSource: true });
    expect(result).toMatchObject({
      status: 'committed',
      deleted: { objects: 40, bytes, kept: { ...NOTHING_KEPT, uncommitted: 2 }, complete: true },
    });
    expect(result).not.toHaveProperty('problems');
    expect(inRaw(world)).toEqual(['empty.log', 'late.log']);
    await expectNothingLost(world, was);
    // One HEAD an output, one of the manifest, one delete.
    expect(world.requests('HeadObject', AGGREGATED)).toHaveLength(result.outputs + 1);
    expect(result.requests.delete).toBe(1);

    expect(await world.roll({ deleteSource: true })).toMatchObject({
      status: 'committed',
      objects: 41,
      written: 1,
      deleted: { objects: 1, bytes: 5, kept: { ...NOTHING_KEPT, uncommitted: 1 } },
    });
    expect(inRaw(world)).toEqual(['empty.log']);
    expect(await world.roll({ deleteSource: true })).toMatchObject({
      status: 'unchanged',
      deleted: { objects: 0, bytes: 0, complete: true },
    });
    await expectNothingLost(world, was);
  });

  it('a run that finds nothing new deletes them too, and verify, status, extract and a repack work as before', async () => {
    await using world = await openWorld();
    world.putHour(60);
    const was = contents(world);
    await world.roll();
    expect(await world.roll({ deleteSource: true })).toMatchObject({
      status: 'unchanged',
      deleted: { objects: 60, complete: true },
    });
    expect(inRaw(world)).toEqual([]);
    await world.expectSound();
    const { store } = world.connection;
    const at = { source: SOURCE, destination: DESTINATION };
    expect(await readHourStatus({ store }, parseHour('2026-11-21T08'), at, new Date())).toMatchObject({
      state: 'rolled-up',
      objects: 0,
      rolledUp: 60,
    });
    expect(await world.roll({ repack: true, deleteSource: true })).toMatchObject({
      status: 'committed',
      objects: 60,
      deleted: { objects: 0, complete: true },
    });
    await world.expectSound();
    await expectNothingLost(world, was);
  });

  it('sources whose keys have characters that XML cannot hold are deleted', async () => {
    await using world = await openWorld();
    const names = ['a b+c%20.log', 'é&<"\'>.log', 'line\nend\r.log', 'bell\u0007.log', '\u{1F600}.log'];
    for (const name of names) world.put(name, 'a line\n');
    expect(await world.roll({ deleteSource: true })).toMatchObject({ deleted: { objects: names.length } });
    expect(inRaw(world)).toEqual([]);
  });
});

describe('a source that was overwritten', () => {
  it.each([
    ['between the commit and the listing', matching('PutObject', MANIFEST_KEY)],
    ['between the listing and the delete', DELETES],
  ])('%s stays in raw, and the next run rolls it up anew', async (_, when) => {
    await using world = await openWorld();
    world.putHour(10);
    world.sandbox.hook = beforeNth(1, when, () => {
      world.put('00004.log', 'another\n');
    });
    const result = await world.roll({ deleteSource: true });
    expect(result).toMatchObject({ deleted: { objects: 9, kept: { ...NOTHING_KEPT, changed: 1 } } });
    // It is no failure: the next run rolls it up.
    expect(result).not.toHaveProperty('problems');
    expect(inRaw(world)).toEqual(['00004.log']);
    expect(await world.roll({ deleteSource: true })).toMatchObject({
      status: 'committed',
      objects: 10,
      deleted: { objects: 1 },
    });
    const { bytes } = await extract(world.connection.store, DESTINATION, '00004.log');
    expect(await text(bytes)).toBe('another\n');
    await world.expectSound();
  });
});

describe('an output that is not as committed', () => {
  it.each<[string, (world: World, key: string) => void]>([
    [
      'was overwritten',
      (world, key) => {
        world.sandbox.put(BUCKET, key, 'somebody was here\n');
      },
    ],
    [
      'is gone',
      (world, key) => {
        world.sandbox.delete(BUCKET, key);
      },
    ],
  ])('because it %s keeps its sources in raw; those of other outputs are deleted', async (_, damage) => {
    await using world = await openWorld();
    world.putHour(200);
    await world.roll();
    const [damaged, ...others] = world.manifest.outputs;
    const key = damaged?.key ?? '';
    expect(others.length).toBeGreaterThan(0);
    const held = (await world.sources()).filter(({ output }) => output === key);
    damage(world, key);
    const result = await world.roll({ deleteSource: true });
    expect(result).toMatchObject({
      status: 'unchanged',
      deleted: {
        objects: 200 - held.length,
        kept: { ...NOTHING_KEPT, unverified: held.length },
        complete: true,
      },
      problems: [{ code: 'OutputDamaged', key }],
    });
    expect(inRaw(world)).toEqual(held.map((source) => source.key.slice(RAW.length)));
  });

  it('is read where S3 holds no checksum of it', async () => {
    await using world = await openWorld();
    world.putHour(5);
    await world.roll();
    const [output] = world.outputs();
    const { key, body } = output ?? { key: '', body: '' };
    // The same bytes and so the same ETag, but without the CRC-32 that an upload sends.
    world.sandbox.put(BUCKET, key, body);
    const corrupt: Fault = { kind: 'corrupt', atByte: 1_000 };
    world.sandbox.hook = onNth(1, matching('GetObject', key), corrupt);
    expect(await world.roll({ deleteSource: true })).toMatchObject({
      deleted: { objects: 0, kept: { ...NOTHING_KEPT, unverified: 5 } },
      problems: [{ code: 'OutputDamaged' }],
    });
    world.sandbox.hook = undefined;
    expect(await world.roll({ deleteSource: true })).toMatchObject({ deleted: { objects: 5 } });
  });
});

describe('a deletion', () => {
  it.each<[string, (world: World, controller: AbortController) => void, string | undefined]>([
    [
      'killed at its second batch',
      (world, controller) => {
        world.sandbox.hook = beforeNth(2, DELETES, () => {
          controller.abort();
        });
      },
      'Aborted',
    ],
    [
      'refused from its second batch on',
      (world) => (world.sandbox.hook = fromNth(2, DELETES, REFUSED)),
      undefined,
    ],
    [
      'without the answer to its second batch',
      (world) => (world.sandbox.hook = onNth(2, DELETES, { kind: 'reset-after' })),
      undefined,
    ],
  ])('%s and then repeated deletes no source that is not in a verified output', async (_, disturb, code) => {
    await using world = await openWorld();
    for (let i = 0; i < 1_100; i++) world.put(`${String(i).padStart(4, '0')}.log`, `line ${i}\n`);
    const was = contents(world);
    await world.roll();
    const controller = new AbortController();
    disturb(world, controller);
    const running = world.roll({ deleteSource: true, signal: controller.signal });
    if (code === undefined) await running;
    else expect((await failureOf(running)).code).toBe(code);
    world.sandbox.hook = undefined;
    expect(inRaw(world).length).toBeLessThanOrEqual(100);
    expect(await world.roll({ deleteSource: true })).toMatchObject({
      status: 'unchanged',
      deleted: { kept: NOTHING_KEPT, complete: true },
    });
    expect(inRaw(world)).toEqual([]);
    await world.expectSound();
    const sources = await world.sources();
    expect(sources.map(({ key }) => key.slice(RAW.length))).toEqual([...was.keys()]);
  });

  it('that runs out of time says so, and the next run continues it', async () => {
    await using world = await openWorld();
    for (let i = 0; i < 1_010; i++) world.put(`${String(i).padStart(4, '0')}.log`, 'a line\n');
    await world.roll();
    const hasTime = (): boolean => world.requests('DeleteObjects').length === 0;
    world.sandbox.clearRequests();
    const result = await world.roll({ deleteSource: true, hasTime });
    expect(result).toMatchObject({ status: 'unchanged', deleted: { objects: 1_000, complete: false } });
    expect(await world.roll({ deleteSource: true })).toMatchObject({
      deleted: { objects: 10, complete: true },
    });
  });
});

describe('a source that S3 does not delete', () => {
  it('for want of permission is a problem that names its key, and the others are deleted', async () => {
    await using world = await openWorld();
    world.putHour(30);
    const refused = (key: string): boolean => /0000[37]/.test(key);
    world.sandbox.hook = ({ operation }) =>
      operation === 'DeleteObjects'
        ? { kind: 'refuse-keys', code: (key) => (refused(key) ? 'AccessDenied' : undefined) }
        : undefined;
    const result = await world.roll({ deleteSource: true });
    expect(result).toMatchObject({
      status: 'committed',
      deleted: { objects: 28, kept: { ...NOTHING_KEPT, refused: 2 }, complete: true },
      problems: ['00003.log', '00007.log'].map((name) => ({ code: 'AccessDenied', key: RAW + name })),
    });
    expect(inRaw(world)).toEqual(['00003.log', '00007.log']);
  });

  it('because it is busy is requested again', async () => {
    await using world = await openWorld();
    world.putHour(30);
    let batches = 0;
    world.sandbox.hook = ({ operation }) =>
      operation === 'DeleteObjects' && ++batches === 1
        ? { kind: 'refuse-keys', code: (key) => (key.endsWith('7.log') ? 'SlowDown' : undefined) }
        : undefined;
    expect(await world.roll({ deleteSource: true })).toMatchObject({ deleted: { objects: 30 } });
    expect(batches).toBe(2);
  });
});

it('another commit meanwhile: the deletion goes by its manifest', async () => {
  await using world = await openWorld();
  world.putHour(20);
  await world.roll();
  const other = world.connect();
  world.sandbox.hook = beforeNth(1, matching('HeadObject', MANIFEST_KEY), async () => {
    world.put('late.log', 'late\n');
    world.put('00003.log', 'changed\n');
    await world.roll({ connection: other });
  });
  expect(await world.roll({ deleteSource: true })).toMatchObject({
    status: 'unchanged',
    deleted: { objects: 21, kept: NOTHING_KEPT, complete: true },
  });
  expect(inRaw(world)).toEqual([]);
  const { bytes } = await extract(world.connection.store, DESTINATION, '00003.log');
  expect(await text(bytes)).toBe('changed\n');
});

import { describe, expect, it } from 'vitest';
import { MiB } from '../../lambda/size.ts';
import {
  AGGREGATED,
  BUCKET,
  RAW,
  type World,
  joinedInKeyOrder,
  logLines,
  openWorld,
} from '../support/world.ts';

/** The bytes of every committed source, as its frame in the outputs has them. */
async function committedBodies(world: World): Promise<Map<string, string>> {
  const outputs = new Map(world.outputs().map(({ key, body }) => [key, body]));
  return new Map(
    (await world.sources()).map(({ key, output, offset, length }) => [
      key.slice(RAW.length),
      outputs
        .get(output)
        ?.subarray(offset, offset + length)
        .toString('latin1') ?? '',
    ]),
  );
}

/** The index of the output that holds a source. */
async function outputOf(world: World, name: string): Promise<string> {
  const line = (await world.sources()).find(({ key }) => key === RAW + name);
  return line?.output ?? '';
}

function nameOf(i: number): string {
  return `${String(i).padStart(5, '0')}.log`;
}

/** 300 objects, every fifth without its last newline; what they are, by name. */
function putMixedHour(world: World): Map<string, string> {
  const bodies = new Map<string, string>();
  for (let i = 0; i < 300; i++) {
    const body = logLines(40_000 + i).subarray(0, i % 5 === 0 ? -1 : undefined);
    world.put(nameOf(i), body);
    bodies.set(nameOf(i), body.toString('latin1'));
  }
  return bodies;
}

describe('a source that was changed in place', () => {
  it('rebuilds the output that holds it, and no other', async () => {
    await using world = await openWorld();
    const expected = putMixedHour(world);
    const first = await world.roll();
    const held = await outputOf(world, nameOf(150));
    const siblings = (await world.sources()).filter(({ output }) => output === held).map(({ key }) => key);
    const others = world.outputs().filter(({ key }) => key !== held);
    world.put(nameOf(150), 'changed in place');
    expected.set(nameOf(150), 'changed in place');
    world.sandbox.clearRequests();

    expect(await world.roll()).toMatchObject({
      status: 'committed',
      objects: 300,
      reused: first.outputs - 1,
    });
    expect(
      world
        .requests('GetObject', RAW)
        .map(({ key }) => key)
        .toSorted(),
    ).toEqual(siblings.toSorted());
    expect(world.outputs()).toEqual(expect.arrayContaining(others));
    expect(world.sandbox.head(BUCKET, held)).toBeUndefined();
    expect(await committedBodies(world)).toEqual(expected);
    await world.expectSound();
  });

  it('is rebuilt with what has left raw beside it, read from the committed output', async () => {
    await using world = await openWorld();
    const expected = putMixedHour(world);
    await world.roll();
    const held = await outputOf(world, nameOf(150));
    for (let i = 0; i < 300; i++) if (i % 2 === 1) world.remove(nameOf(i));
    world.put(nameOf(150), 'changed in place');
    expected.set(nameOf(150), 'changed in place');
    world.sandbox.clearRequests();

    expect(await world.roll()).toMatchObject({ status: 'committed', objects: 300 });
    const ranged = world.requests('GetObject', AGGREGATED).filter(({ key }) => key === held);
    expect(ranged.length).toBeGreaterThan(10);
    const etags = new Set(ranged.map(({ headers }) => headers['if-match']));
    expect(etags.size).toBe(1);
    expect(ranged.every(({ range }) => range !== undefined)).toBe(true);
    expect(await committedBodies(world)).toEqual(expected);
    await world.expectSound();
  });

  it('and was large, then small, then large again', async () => {
    await using world = await openWorld();
    const large = logLines(5 * MiB).subarray(0, -1);
    const bodies = [large, Buffer.from('small'), Buffer.concat([large, large])];
    world.put('b.log', 'beside');
    for (const body of bodies) {
      world.put('a.log', body);
      expect(await world.roll()).toMatchObject({ status: 'committed', objects: 2 });
      expect((await committedBodies(world)).get('a.log')).toBe(body.toString('latin1'));
      expect((await committedBodies(world)).get('b.log')).toBe('beside');
      await world.expectSound();
    }
    // Its first version left room for nothing beside it, and neither did the last.
    expect(world.manifest.outputs.map(({ sources }) => sources)).toEqual([1, 1]);
  });
});

describe('what has left raw', () => {
  it('stays committed, without a request for it', async () => {
    await using world = await openWorld();
    const expected = putMixedHour(world);
    await world.roll();
    for (const name of expected.keys()) world.remove(name);
    world.sandbox.clearRequests();
    expect(await world.roll()).toMatchObject({ status: 'unchanged', objects: 300 });
    expect(world.writes()).toEqual([]);
    world.put('late.log', 'late\n');
    expected.set('late.log', 'late\n');
    expect(await world.roll()).toMatchObject({ status: 'committed', objects: 301, written: 1 });
    expect(await committedBodies(world)).toEqual(expected);
    await world.expectSound();
  });

  it('stays, too, where it was emptied in place or archived', async () => {
    await using world = await openWorld();
    world.put('a.log', 'a');
    world.put('b.log', 'b');
    world.put('c.log', 'c');
    await world.roll();
    world.put('a.log', '');
    world.put('b.log', 'b', { storageClass: 'GLACIER' });
    world.put('c.log', 'changed');
    expect(await world.roll()).toMatchObject({ status: 'committed', objects: 3 });
    expect(await committedBodies(world)).toEqual(
      new Map([
        ['a.log', 'a'],
        ['b.log', 'b'],
        ['c.log', 'changed'],
      ]),
    );
    await world.expectSound();
  });

  it('comes back with other bytes as a change', async () => {
    await using world = await openWorld();
    world.put('a.log', 'first\n');
    await world.roll();
    world.remove('a.log');
    await world.roll();
    world.put('a.log', 'second\n');
    expect(await world.roll()).toMatchObject({ status: 'committed', objects: 1 });
    expect(await committedBodies(world)).toEqual(new Map([['a.log', 'second\n']]));
  });
});

describe('a repack', () => {
  it('plans everything afresh, from raw and from the committed outputs, in a generation of its own', async () => {
    await using world = await openWorld();
    const expected = putMixedHour(world);
    const large = logLines(5 * MiB + 3);
    world.put('00100-large.log', large);
    expected.set('00100-large.log', large.toString('latin1'));
    await world.roll();
    for (let i = 0; i < 12; i++) {
      world.put(`${String(i * 20).padStart(5, '0')}-late.log`, `late ${i}`);
      expected.set(`${String(i * 20).padStart(5, '0')}-late.log`, `late ${i}`);
      if (i % 4 === 0) await world.roll();
    }
    for (let i = 0; i < 300; i += 3) world.remove(nameOf(i));
    world.remove('00100-large.log');
    const before = new Set(world.outputs().map(({ key }) => key));

    const result = await world.roll({ repack: true });
    expect(result).toMatchObject({ status: 'committed', objects: 313, reused: 0, copied: 1 });
    expect(world.manifest.generation).toBe(1);
    expect(world.outputs().filter(({ key }) => before.has(key))).toEqual([]);
    expect(await committedBodies(world)).toEqual(expected);
    const inIndexOrder = Buffer.concat(world.outputs().map(({ body }) => body));
    const bodies = [...expected].map(([name, body]): [string, Buffer] => [name, Buffer.from(body, 'latin1')]);
    expect(Buffer.compare(inIndexOrder, joinedInKeyOrder(bodies))).toBe(0);
    await world.expectSound();
    expect(await world.roll()).toMatchObject({ status: 'unchanged' });
  });

  it('into other sizes, where a source that has left raw is large now', async () => {
    await using world = await openWorld({ targetSize: 16 * MiB });
    const large = logLines(6 * MiB).subarray(0, -1);
    world.put('a.log', 'a');
    world.put('b.log', large);
    world.put('c.log', 'c');
    await world.roll();
    world.remove('b.log');
    const settings = { ...world.settings, targetSize: 5 * MiB };
    expect(await world.roll({ repack: true, settings })).toMatchObject({
      status: 'committed',
      outputs: 3,
      copied: 1,
    });
    expect((await committedBodies(world)).get('b.log')).toBe(large.toString('latin1'));
    await world.expectSound();
  });

  it('of an empty hour', async () => {
    await using world = await openWorld();
    await world.roll();
    expect(await world.roll({ repack: true })).toMatchObject({ objects: 0, outputs: 0 });
    await world.expectSound();
  });
});

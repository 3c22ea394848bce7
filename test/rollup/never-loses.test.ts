import { describe, expect, it } from 'vitest';
import { MiB } from '../../lambda/size.ts';
import {
  AGGREGATED,
  BUCKET,
  RAW,
  type TestBucket,
  joinedInKeyOrder,
  logLines,
  openTestBucket,
} from '../support/test-bucket.ts';

/** The bytes of every committed source, as its frame in the outputs has them. */
async function committedBodies(bucket: TestBucket): Promise<Map<string, string>> {
  const outputs = new Map(bucket.outputs().map(({ key, body }) => [key, body]));
  return new Map(
    (await bucket.sources()).map(({ key, output, offset, length }) => [
      key.slice(RAW.length),
      outputs
        .get(output)
        ?.subarray(offset, offset + length)
        .toString('latin1') ?? '',
    ]),
  );
}

/** The index of the output that holds a source. */
async function outputOf(bucket: TestBucket, name: string): Promise<string> {
  const line = (await bucket.sources()).find(({ key }) => key === RAW + name);
  return line?.output ?? '';
}

function nameOf(i: number): string {
  return `${String(i).padStart(5, '0')}.log`;
}

/** 300 objects, every fifth without its last newline; what they are, by name. */
function putMixedHour(bucket: TestBucket): Map<string, string> {
  const bodies = new Map<string, string>();
  for (let i = 0; i < 300; i++) {
    const body = logLines(40_000 + i).subarray(0, i % 5 === 0 ? -1 : undefined);
    bucket.put(nameOf(i), body);
    bodies.set(nameOf(i), body.toString('latin1'));
  }
  return bodies;
}

describe('a source that was changed in place', () => {
  it('rebuilds the output that holds it, and no other', async () => {
    await using bucket = await openTestBucket();
    const expected = putMixedHour(bucket);
    const first = await bucket.roll();
    const held = await outputOf(bucket, nameOf(150));
    const siblings = (await bucket.sources()).filter(({ output }) => output === held).map(({ key }) => key);
    const others = bucket.outputs().filter(({ key }) => key !== held);
    bucket.put(nameOf(150), 'changed in place');
    expected.set(nameOf(150), 'changed in place');
    bucket.sandbox.clearRequests();

    expect(await bucket.roll()).toMatchObject({
      status: 'committed',
      objects: 300,
      reused: first.outputs - 1,
    });
    expect(
      bucket
        .downloads()
        .map(({ key }) => key)
        .toSorted(),
    ).toEqual(siblings.toSorted());
    expect(bucket.outputs()).toEqual(expect.arrayContaining(others));
    expect(bucket.sandbox.head(BUCKET, held)).toBeUndefined();
    expect(await committedBodies(bucket)).toEqual(expected);
    await bucket.expectSound();
  });

  it('is rebuilt beside sources that have left raw, which are read from the committed output', async () => {
    await using bucket = await openTestBucket();
    const expected = putMixedHour(bucket);
    await bucket.roll();
    const held = await outputOf(bucket, nameOf(150));
    for (let i = 0; i < 300; i++) if (i % 2 === 1) bucket.remove(nameOf(i));
    bucket.put(nameOf(150), 'changed in place');
    expected.set(nameOf(150), 'changed in place');
    bucket.sandbox.clearRequests();

    expect(await bucket.roll()).toMatchObject({ status: 'committed', objects: 300 });
    const ranged = bucket.requests('GetObject', AGGREGATED).filter(({ key }) => key === held);
    expect(ranged.length).toBeGreaterThan(10);
    const etags = new Set(ranged.map(({ headers }) => headers['if-match']));
    expect(etags.size).toBe(1);
    expect(ranged.every(({ range }) => range !== undefined)).toBe(true);
    expect(await committedBodies(bucket)).toEqual(expected);
    await bucket.expectSound();
  });

  it('is committed anew each time: large, then small, then large again', async () => {
    await using bucket = await openTestBucket();
    const large = logLines(5 * MiB).subarray(0, -1);
    const bodies = [large, Buffer.from('small'), Buffer.concat([large, large])];
    bucket.put('b.log', 'beside');
    for (const body of bodies) {
      bucket.put('a.log', body);
      expect(await bucket.roll()).toMatchObject({ status: 'committed', objects: 2 });
      expect((await committedBodies(bucket)).get('a.log')).toBe(body.toString('latin1'));
      expect((await committedBodies(bucket)).get('b.log')).toBe('beside');
      await bucket.expectSound();
    }
    // Its first version left room for nothing beside it, and neither did the last.
    expect(bucket.manifest.outputs.map(({ sources }) => sources)).toEqual([1, 1]);
  });
});

describe('a source that has left raw', () => {
  it('stays committed, without a request for it', async () => {
    await using bucket = await openTestBucket();
    const expected = putMixedHour(bucket);
    await bucket.roll();
    for (const name of expected.keys()) bucket.remove(name);
    bucket.sandbox.clearRequests();
    expect(await bucket.roll()).toMatchObject({ status: 'unchanged', objects: 300 });
    expect(bucket.writes()).toEqual([]);
    bucket.put('late.log', 'late\n');
    expected.set('late.log', 'late\n');
    expect(await bucket.roll()).toMatchObject({ status: 'committed', objects: 301, written: 1 });
    expect(await committedBodies(bucket)).toEqual(expected);
    await bucket.expectSound();
  });

  it('stays committed, too, where it was emptied in place or archived', async () => {
    await using bucket = await openTestBucket();
    bucket.put('a.log', 'a');
    bucket.put('b.log', 'b');
    bucket.put('c.log', 'c');
    await bucket.roll();
    bucket.put('a.log', '');
    bucket.put('b.log', 'b', { storageClass: 'GLACIER' });
    bucket.put('c.log', 'changed');
    expect(await bucket.roll()).toMatchObject({ status: 'committed', objects: 3 });
    expect(await committedBodies(bucket)).toEqual(
      new Map([
        ['a.log', 'a'],
        ['b.log', 'b'],
        ['c.log', 'changed'],
      ]),
    );
    await bucket.expectSound();
  });

  it('comes back with other bytes as a change', async () => {
    await using bucket = await openTestBucket();
    bucket.put('a.log', 'first\n');
    await bucket.roll();
    bucket.remove('a.log');
    await bucket.roll();
    bucket.put('a.log', 'second\n');
    expect(await bucket.roll()).toMatchObject({ status: 'committed', objects: 1 });
    expect(await committedBodies(bucket)).toEqual(new Map([['a.log', 'second\n']]));
  });
});

describe('a repack', () => {
  it('plans everything afresh, from raw and from the committed outputs, in a generation of its own', async () => {
    await using bucket = await openTestBucket();
    const expected = putMixedHour(bucket);
    const large = logLines(5 * MiB + 3);
    bucket.put('00100-large.log', large);
    expected.set('00100-large.log', large.toString('latin1'));
    await bucket.roll();
    for (let i = 0; i < 12; i++) {
      bucket.put(`${String(i * 20).padStart(5, '0')}-late.log`, `late ${i}`);
      expected.set(`${String(i * 20).padStart(5, '0')}-late.log`, `late ${i}`);
      if (i % 4 === 0) await bucket.roll();
    }
    for (let i = 0; i < 300; i += 3) bucket.remove(nameOf(i));
    bucket.remove('00100-large.log');
    const before = new Set(bucket.outputs().map(({ key }) => key));

    const result = await bucket.roll({ repack: true });
    expect(result).toMatchObject({ status: 'committed', objects: 313, reused: 0, copied: 1 });
    expect(bucket.manifest.generation).toBe(1);
    expect(bucket.outputs().filter(({ key }) => before.has(key))).toEqual([]);
    expect(await committedBodies(bucket)).toEqual(expected);
    const inIndexOrder = Buffer.concat(bucket.outputs().map(({ body }) => body));
    const bodies = [...expected].map(([name, body]): [string, Buffer] => [name, Buffer.from(body, 'latin1')]);
    expect(Buffer.compare(inIndexOrder, joinedInKeyOrder(bodies))).toBe(0);
    await bucket.expectSound();
    expect(await bucket.roll()).toMatchObject({ status: 'unchanged' });
  });

  it('into other sizes copies a source that has left raw and is large now', async () => {
    await using bucket = await openTestBucket({ targetSize: 16 * MiB });
    const large = logLines(6 * MiB).subarray(0, -1);
    bucket.put('a.log', 'a');
    bucket.put('b.log', large);
    bucket.put('c.log', 'c');
    await bucket.roll();
    bucket.remove('b.log');
    const settings = { ...bucket.settings, targetSize: 5 * MiB };
    expect(await bucket.roll({ repack: true, settings })).toMatchObject({
      status: 'committed',
      outputs: 3,
      copied: 1,
    });
    expect((await committedBodies(bucket)).get('b.log')).toBe(large.toString('latin1'));
    await bucket.expectSound();
  });

  it('of an empty hour has no outputs', async () => {
    await using bucket = await openTestBucket();
    await bucket.roll();
    expect(await bucket.roll({ repack: true })).toMatchObject({ objects: 0, outputs: 0 });
    await bucket.expectSound();
  });
});

import { gunzipSync, gzipSync } from 'node:zlib';
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
  seeded,
} from '../support/world.ts';

function rawBodies(world: World): [string, Buffer][] {
  return world.sandbox
    .keys(BUCKET, RAW)
    .map((key) => [key, world.sandbox.get(BUCKET, key) ?? Buffer.alloc(0)]);
}

function bodyOf(world: World, ending = ''): Buffer {
  return Buffer.concat(
    world
      .outputs()
      .filter(({ key }) => key.endsWith(ending))
      .map(({ body }) => body),
  );
}

/** Compares without printing megabytes. */
function expectSame(got: Buffer, expected: Buffer): void {
  expect(got.length).toBe(expected.length);
  expect(Buffer.compare(got, expected)).toBe(0);
}

describe('the outputs of a commit', () => {
  it('are, in index order, the sources in key order, of the target size and no more than a source beyond', async () => {
    await using world = await openWorld();
    world.putHour(400);
    const result = await world.roll();
    expect(result).toMatchObject({
      status: 'committed',
      objects: 400,
      reused: 0,
      copied: 0,
      skipped: { empty: 0, filtered: 0 },
    });
    const sources = rawBodies(world);
    expect(result.bytes).toBe(sources.reduce((sum, [, body]) => sum + body.length, 0));
    expect(result.outputs).toBe(result.written);
    expect(result.manifest).toBe(`s3://${BUCKET}/${AGGREGATED}_manifest.json`);
    expectSame(bodyOf(world), joinedInKeyOrder(sources));

    const lines = await world.sources();
    for (const [i, { key, body }] of world.outputs().entries()) {
      const last = lines.filter(({ output }) => output === key).at(-1);
      expect(body.length - (last?.length ?? 0)).toBeLessThan(world.settings.targetSize);
      if (i < result.outputs - 1) expect(body.length).toBeGreaterThanOrEqual(world.settings.targetSize);
    }
    await world.expectSound();
  });

  it('are the same whatever order the downloads finish in', async () => {
    const outputs = [];
    for (const seed of [1, 2]) {
      const random = seeded(seed);
      await using world = await openWorld({ concurrency: seed === 1 ? 1 : 16, outputsInFlight: seed * 2 });
      world.putHour(200);
      // Holds downloads back at random: each goes on when a later one comes, or when none does.
      const held: (() => void)[] = [];
      world.sandbox.hook = async ({ operation, key = '' }) => {
        if (operation !== 'GetObject' || !key.startsWith(RAW)) return undefined;
        const next = held.splice(random(held.length), 1)[0];
        next?.();
        if (seed === 2 && held.length < 8)
          await new Promise<void>((resolve) => {
            held.push(resolve);
            setImmediate(() => setImmediate(resolve));
          });
        return undefined;
      };
      await world.roll();
      outputs.push(
        world.outputs().map(({ key, body }) => [key, world.sandbox.head(BUCKET, key)?.etag, body.length]),
      );
    }
    expect(outputs[0]).toEqual(outputs[1]);
  });

  it('frame every source, whatever its key', async () => {
    await using world = await openWorld();
    const long = 1024 - RAW.length;
    const names = [
      'two words .log',
      ' leading and trailing ',
      'a+b.log',
      'a b.log',
      '100%.log',
      '%2F%20%2B.log',
      'a&b<c>.log',
      '?x=1.log',
      '#frag.log',
      'a=b;c,d.log',
      `it's "quoted" \`so\`.log`,
      'back\\slash.log',
      '😀/𝒳.log',
      '\uffff.log',
      '\u{10ffff}.log',
      'ü/ü.log',
      'line\nfeed.log',
      'carriage\rreturn.log',
      'tab\t.log',
      '\u0001\u001f\u007f.log',
      'a/../b.log',
      'a/./b.log',
      '../up.log',
      '..',
      '.',
      'a//b.log',
      '/leading.log',
      'trailing/',
      '*(x)!~@:$[]{}|^.log',
      'CON',
      '_manifest.json',
      'x'.repeat(long),
      '😀'.repeat(long / 4),
    ];
    for (const [i, name] of names.entries())
      world.put(name, `line ${i} of ${JSON.stringify(name)}${i % 2 === 0 ? '\n' : ''}`);
    world.put('empty.log', '');
    world.put('marker/', '');
    const result = await world.roll();
    expect(result).toMatchObject({
      status: 'committed',
      objects: names.length,
      skipped: { empty: 2, filtered: 0 },
      outputs: 1,
    });
    expectSame(bodyOf(world), joinedInKeyOrder(rawBodies(world)));
    const [output] = world.outputs();
    const frames = await world.sources();
    expect(new Set(frames.map(({ key }) => key))).toEqual(new Set(names.map((name) => RAW + name)));
    for (const { key, offset, length } of frames) {
      expect(output?.body.subarray(offset, offset + length)).toEqual(world.sandbox.get(BUCKET, key));
    }
    expect((await world.roll()).status).toBe('unchanged');
    await world.expectSound();
  });

  it('take up sizes around the target; what is of it or more is copied inside S3, as it is', async () => {
    await using world = await openWorld({ targetSize: 32 * MiB, partSize: 8 * MiB, outputsInFlight: 1 });
    const whole = (bytes: number, fill: string): Buffer => Buffer.alloc(bytes, `${fill} line\n`);
    const sizes = {
      'a-1.log': whole(1, 'a'),
      'b-32MiB-1.log': whole(32 * MiB - 1, 'b'),
      'c-32MiB.log': whole(32 * MiB, 'c'),
      'd-32MiB+1.log': whole(32 * MiB + 1, 'd'),
      'e-200MB.log': whole(200_000_000, 'e'),
      'f-1.log': Buffer.from('\n'),
      'g-0.log': Buffer.alloc(0),
    };
    for (const [name, body] of Object.entries(sizes)) world.put(name, body);
    const result = await world.roll();
    expect(result).toMatchObject({
      status: 'committed',
      objects: 6,
      outputs: 5,
      written: 2,
      copied: 3,
      skipped: { empty: 1, filtered: 0 },
    });
    const copied = ['c-32MiB.log', 'd-32MiB+1.log', 'e-200MB.log'] as const;
    const [first, ...others] = world.outputs().map(({ body }) => body);
    expectSame(
      first ?? Buffer.alloc(0),
      joinedInKeyOrder([
        ['a', sizes['a-1.log']],
        ['b', sizes['b-32MiB-1.log']],
      ]),
    );
    for (const [i, name] of copied.entries()) {
      expectSame(others[i] ?? Buffer.alloc(0), sizes[name]);
      expect(world.requests('GetObject', RAW + name)).toEqual([]);
    }
    expectSame(others[3] ?? Buffer.alloc(0), Buffer.from('\n'));
    expect(result.peak.inFlightBytes).toBeLessThan(33 * MiB);
    world.sandbox.clearRequests();
    expect((await world.roll()).status).toBe('unchanged');
    expect(world.requests('GetObject', RAW)).toEqual([]);
  });

  it('keep gzip apart from plain text, and joined members are one stream', async () => {
    await using world = await openWorld();
    const random = seeded(7);
    const plain: [string, Buffer][] = [];
    const zipped: [string, Buffer][] = [];
    for (let i = 0; i < 60; i++) {
      const name = `${String(i).padStart(3, '0')}.log`;
      const body = logLines(20_000 + random(20_000), random).subarray(0, i % 3 === 0 ? -1 : undefined);
      world.put(name, body);
      world.put(`${name}.gz`, gzipSync(body));
      plain.push([name, body]);
      zipped.push([name, body]);
    }
    expect(await world.roll()).toMatchObject({ status: 'committed', objects: 120, outputs: 2 });
    expectSame(bodyOf(world, '.log'), joinedInKeyOrder(plain));
    // Nothing is added inside a compressed stream.
    expectSame(gunzipSync(bodyOf(world, '.log.gz')), joinedInKeyOrder(zipped, 'none'));
    await world.expectSound();
  });

  it.each(['ensure', 'none'] as const)(
    'of sources without their last newline, with --newline %s',
    async (newline) => {
      await using world = await openWorld({ newline });
      for (let i = 0; i < 300; i++) {
        const body = logLines(30_000 + i, seeded(i));
        world.put(`${String(i).padStart(3, '0')}.log`, i % 7 === 0 ? body : body.subarray(0, -1));
      }
      world.put('300.log', 'x');
      expect(await world.roll()).toMatchObject({ status: 'committed', objects: 301 });
      const sources = rawBodies(world);
      expectSame(bodyOf(world), joinedInKeyOrder(sources, newline));
      expect(world.manifest.totals.bytes).toBe(sources.reduce((sum, [, body]) => sum + body.length, 0));
      expect(world.manifest.totals.outputBytes).toBe(bodyOf(world).length);
      await world.expectSound();
    },
  );

  it.each<[string, (world: World) => void, object]>([
    ['an empty hour', () => undefined, { status: 'empty', objects: 0, outputs: 0 }],
    [
      'an hour of nothing but markers',
      (world) => {
        world.put('dir/', '');
      },
      { status: 'empty', objects: 0, skipped: { empty: 1, filtered: 0 } },
    ],
    [
      'one object',
      (world) => {
        world.put('a.log', 'a');
      },
      { status: 'committed', objects: 1, bytes: 1, outputs: 1, written: 1 },
    ],
    [
      'one byte that is a newline',
      (world) => {
        world.put('a', '\n');
      },
      { status: 'committed', objects: 1, bytes: 1, outputs: 1 },
    ],
  ])('%s', async (_, prepare, expected) => {
    await using world = await openWorld();
    prepare(world);
    expect(await world.roll()).toMatchObject(expected);
    expect(world.isCommitted).toBe(true);
    await world.expectSound();
    expect(await world.roll()).toMatchObject({ status: 'unchanged' });
  });

  it('over TLS', async () => {
    await using world = await openWorld({}, { tls: true });
    world.putHour(120);
    expect(await world.roll()).toMatchObject({ status: 'committed', objects: 120 });
    expectSame(bodyOf(world), joinedInKeyOrder(rawBodies(world)));
    await world.expectSound();
  });
});

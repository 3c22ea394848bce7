import { gunzipSync, gzipSync } from 'node:zlib';
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
  seeded,
} from '../support/test-bucket.ts';

function rawBodies(bucket: TestBucket): [string, Buffer][] {
  return bucket.sandbox
    .keys(BUCKET, RAW)
    .map((key) => [key, bucket.sandbox.get(BUCKET, key) ?? Buffer.alloc(0)]);
}

function bodyOf(bucket: TestBucket, ending = ''): Buffer {
  return Buffer.concat(
    bucket
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
  it('contain the sources in key order, and are larger than the target by less than a source', async () => {
    await using bucket = await openTestBucket();
    bucket.putHour(400);
    const result = await bucket.roll();
    expect(result).toMatchObject({
      status: 'committed',
      objects: 400,
      reused: 0,
      copied: 0,
      skipped: { empty: 0, filtered: 0 },
    });
    const sources = rawBodies(bucket);
    expect(result.bytes).toBe(sources.reduce((sum, [, body]) => sum + body.length, 0));
    expect(result.outputs).toBe(result.written);
    expect(result.manifest).toBe(`s3://${BUCKET}/${AGGREGATED}_manifest.json`);
    expectSame(bodyOf(bucket), joinedInKeyOrder(sources));

    const lines = await bucket.sources();
    for (const [i, { key, body }] of bucket.outputs().entries()) {
      const last = lines.filter(({ output }) => output === key).at(-1);
      expect(body.length - (last?.length ?? 0)).toBeLessThan(bucket.settings.targetSize);
      if (i < result.outputs - 1) expect(body.length).toBeGreaterThanOrEqual(bucket.settings.targetSize);
    }
    await bucket.expectSound();
  });

  it('are the same whatever order the downloads finish in', async () => {
    const outputs = [];
    for (const seed of [1, 2]) {
      const random = seeded(seed);
      await using bucket = await openTestBucket({
        concurrency: seed === 1 ? 1 : 16,
        outputsInFlight: seed * 2,
      });
      bucket.putHour(200);
      // Holds downloads back at random: each goes on when a later one comes, or when none does.
      const held: (() => void)[] = [];
      bucket.sandbox.hook = async ({ operation, key = '' }) => {
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
      await bucket.roll();
      outputs.push(
        bucket.outputs().map(({ key, body }) => [key, bucket.sandbox.head(BUCKET, key)?.etag, body.length]),
      );
    }
    expect(outputs[0]).toEqual(outputs[1]);
  });

  it('have an offset for every source, whatever its key', async () => {
    await using bucket = await openTestBucket({ filters: [{ include: '*' }] });
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
      '_manifest.jsonl',
      'x'.repeat(long),
      '😀'.repeat(long / 4),
    ];
    for (const [i, name] of names.entries())
      bucket.put(name, `line ${i} of ${JSON.stringify(name)}${i % 2 === 0 ? '\n' : ''}`);
    bucket.put('empty.log', '');
    bucket.put('marker/', '');
    const result = await bucket.roll();
    expect(result).toMatchObject({
      status: 'committed',
      objects: names.length,
      skipped: { empty: 2, filtered: 0 },
      outputs: 1,
    });
    expectSame(bodyOf(bucket), joinedInKeyOrder(rawBodies(bucket)));
    const [output] = bucket.outputs();
    const frames = await bucket.sources();
    expect(new Set(frames.map(({ key }) => key))).toEqual(new Set(names.map((name) => RAW + name)));
    for (const { key, offset, length } of frames) {
      expect(output?.body.subarray(offset, offset + length)).toEqual(bucket.sandbox.get(BUCKET, key));
    }
    expect((await bucket.roll()).status).toBe('unchanged');
    await bucket.expectSound();
  });

  it('hold sources of sizes around the target; one of that size or more is copied inside S3 as it is', async () => {
    await using bucket = await openTestBucket({
      targetSize: 32 * MiB,
      partSize: 8 * MiB,
      outputsInFlight: 1,
    });
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
    for (const [name, body] of Object.entries(sizes)) bucket.put(name, body);
    const result = await bucket.roll();
    expect(result).toMatchObject({
      status: 'committed',
      objects: 6,
      outputs: 5,
      written: 2,
      copied: 3,
      skipped: { empty: 1, filtered: 0 },
    });
    const copied = ['c-32MiB.log', 'd-32MiB+1.log', 'e-200MB.log'] as const;
    const [first, ...others] = bucket.outputs().map(({ body }) => body);
    expectSame(
      first ?? Buffer.alloc(0),
      joinedInKeyOrder([
        ['a', sizes['a-1.log']],
        ['b', sizes['b-32MiB-1.log']],
      ]),
    );
    for (const [i, name] of copied.entries()) {
      expectSame(others[i] ?? Buffer.alloc(0), sizes[name]);
      expect(bucket.downloads(RAW + name)).toEqual([]);
    }
    expectSame(others[3] ?? Buffer.alloc(0), Buffer.from('\n'));
    expect(result.peak.inFlightBytes).toBeLessThan(33 * MiB);
    bucket.sandbox.clearRequests();
    expect((await bucket.roll()).status).toBe('unchanged');
    expect(bucket.downloads()).toEqual([]);
  });

  it('keep gzip apart from plain text, and joined members are one stream', async () => {
    await using bucket = await openTestBucket();
    const random = seeded(7);
    const plain: [string, Buffer][] = [];
    const zipped: [string, Buffer][] = [];
    for (let i = 0; i < 60; i++) {
      const name = `${String(i).padStart(3, '0')}.log`;
      const body = logLines(20_000 + random(20_000), random).subarray(0, i % 3 === 0 ? -1 : undefined);
      bucket.put(name, body);
      bucket.put(`${name}.gz`, gzipSync(body));
      plain.push([name, body]);
      zipped.push([name, body]);
    }
    expect(await bucket.roll()).toMatchObject({ status: 'committed', objects: 120, outputs: 2 });
    expectSame(bodyOf(bucket, '.log'), joinedInKeyOrder(plain));
    // Nothing is added inside a compressed stream.
    expectSame(gunzipSync(bodyOf(bucket, '.log.gz')), joinedInKeyOrder(zipped, 'none'));
    await bucket.expectSound();
  });

  it.each(['ensure', 'none'] as const)(
    'of sources without their last newline, with --newline %s',
    async (newline) => {
      await using bucket = await openTestBucket({ newline });
      for (let i = 0; i < 300; i++) {
        const body = logLines(30_000 + i, seeded(i));
        bucket.put(`${String(i).padStart(3, '0')}.log`, i % 7 === 0 ? body : body.subarray(0, -1));
      }
      bucket.put('300.log', 'x');
      expect(await bucket.roll()).toMatchObject({ status: 'committed', objects: 301 });
      const sources = rawBodies(bucket);
      expectSame(bodyOf(bucket), joinedInKeyOrder(sources, newline));
      expect(bucket.manifest.totals.bytes).toBe(sources.reduce((sum, [, body]) => sum + body.length, 0));
      expect(bucket.manifest.totals.outputBytes).toBe(bodyOf(bucket).length);
      await bucket.expectSound();
    },
  );

  it.each<[string, (bucket: TestBucket) => void, object]>([
    ['an empty hour', () => undefined, { status: 'empty', objects: 0, outputs: 0 }],
    [
      'an hour of nothing but markers',
      (bucket) => {
        bucket.put('dir/', '');
      },
      { status: 'empty', objects: 0, skipped: { empty: 1, filtered: 0 } },
    ],
    [
      'one object',
      (bucket) => {
        bucket.put('a.log', 'a');
      },
      { status: 'committed', objects: 1, bytes: 1, outputs: 1, written: 1 },
    ],
    [
      'one byte that is a newline',
      (bucket) => {
        bucket.put('a', '\n');
      },
      { status: 'committed', objects: 1, bytes: 1, outputs: 1 },
    ],
  ])('of %s are what they have to be', async (_, prepare, expected) => {
    await using bucket = await openTestBucket();
    prepare(bucket);
    expect(await bucket.roll()).toMatchObject(expected);
    expect(bucket.isCommitted).toBe(true);
    await bucket.expectSound();
    expect(await bucket.roll()).toMatchObject({ status: 'unchanged' });
  });

  it('are written over TLS', async () => {
    await using bucket = await openTestBucket({}, { tls: true });
    bucket.putHour(120);
    expect(await bucket.roll()).toMatchObject({ status: 'committed', objects: 120 });
    expectSame(bodyOf(bucket), joinedInKeyOrder(rawBodies(bucket)));
    await bucket.expectSound();
  });
});

import { gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sidecarKeyOf } from '../../lambda/rollup/codec/sidecar.ts';
import { itemSchema, planFiles } from '../../lambda/rollup/fan-out/plan-file.ts';
import { rollUpByPlan } from '../../lambda/rollup/fan-out/roll-up-by-plan.ts';
import { writeItems } from '../../lambda/rollup/fan-out/write-step.ts';
import { extract } from '../../lambda/rollup/inspect/extract.ts';
import { verify } from '../../lambda/rollup/inspect/verify.ts';
import type { Settings } from '../../lambda/settings/table.ts';
import { MiB } from '../../lambda/size.ts';
import { joined, withoutHeaders } from '../support/header-oracle.ts';
import { REFUSED, fromNth, matching } from '../support/hooks.ts';
import {
  AGGREGATED,
  BUCKET,
  DESTINATION,
  MANIFEST_KEY,
  RAW,
  SOURCE,
  type TestBucket,
  failureOf,
  logLines,
  openTestBucket,
  seeded,
  withCrc32,
} from '../support/test-bucket.ts';

const HEADER = '#Version: 1.0\n#Fields: date time\n';
const CODECS = ['keep', 'none', 'gzip', 'zstd'] as const;
type Codec = (typeof CODECS)[number];

const INFLATE = {
  keep: (b: Buffer) => b,
  none: (b: Buffer) => b,
  gzip: gunzipSync,
  zstd: zstdDecompressSync,
};

/** Makes the commit fail once all outputs are written. */
const REFUSE_INDEX = fromNth(1, matching('PutObject', `${AGGREGATED}_sources`), REFUSED);

/** Puts texts as the objects `00.log` and so on, or as `.gz` and `.zst` where a codec decodes them. */
function putAll(bucket: TestBucket, texts: Buffer[], codec: Codec): Map<string, Buffer> {
  const byKey = new Map<string, Buffer>();
  for (const [i, text] of texts.entries()) {
    const form = codec === 'keep' ? 0 : i % 3;
    const name = `${String(i).padStart(2, '0')}.log${['', '.gz', '.zst'][form] ?? ''}`;
    const body = form === 0 ? text : form === 1 ? gzipSync(text) : zstdCompressSync(text);
    if (body.length === 0) continue;
    bucket.put(name, body, { headers: withCrc32(body) });
    byKey.set(RAW + name, text);
  }
  return byKey;
}

/** Expects outputs, index and counts as the oracle has them, and every source to be given back byte for byte. */
async function expectExact(
  bucket: TestBucket,
  texts: Map<string, Buffer>,
  settings: Settings,
): Promise<number> {
  const sources = await bucket.sources();
  let kept = 0;
  expect(sources.map(({ key }) => key).toSorted()).toEqual([...texts.keys()].toSorted());
  for (const { key, body } of bucket.outputs()) {
    const own = sources.filter(({ output }) => output === key);
    const whole = own.map((source) => texts.get(source.key) as Buffer);
    const expected = withoutHeaders(whole, settings.headerLines);
    const text = INFLATE[settings.codec](body);
    expect(text.toString()).toBe(
      joined(
        expected.map((one) => one.text),
        settings.newline,
      ).toString(),
    );
    expect(own.map(({ length, header = 0 }) => [length, header])).toEqual(
      expected.map((one) => [one.text.length, one.header]),
    );
    const stayed = expected.filter((one) => one.text.length > 0 && one.header === 0).length;
    if (settings.headerLines > 0) kept += Math.max(0, stayed - 1);
  }
  for (const [key, text] of texts) {
    const { bytes } = await extract(bucket.connection.store, DESTINATION, key);
    expect(Buffer.concat(await Array.fromAsync(bytes, (chunk) => Buffer.from(chunk))).toString(), key).toBe(
      text.toString(),
    );
  }
  await bucket.expectSound();
  const hasHeaders = sources.some(({ header }) => header !== undefined);
  expect(bucket.manifest.version).toBe(hasHeaders ? 2 : 1);
  return kept;
}

const cloudFront = (rows: number, i: number, header = HEADER): Buffer =>
  Buffer.from(header + `2026-11-21\t08:0${i % 10}:00\tLHR${i}\n`.repeat(rows));

const line = fc.constantFrom('#Version: 1.0', '#Fields: date time', '#Fields: b\r', 'row', '');
/** Lines of any kind, behind the usual header more often than not; the last one may lack its newline. */
const text = fc
  .record({
    header: fc.constantFrom('', HEADER, HEADER),
    lines: fc.array(line, { minLength: 1, maxLength: 5 }),
    isEnded: fc.boolean(),
  })
  .map(({ header, lines, isEnded }) => Buffer.from(header + lines.join('\n') + (isEnded ? '\n' : '')));
const given = fc.record({
  texts: fc.array(text, { minLength: 1, maxLength: 7 }),
  codec: fc.constantFrom(...CODECS),
  headerLines: fc.integer({ min: 1, max: 3 }),
  newline: fc.constantFrom('ensure' as const, 'none' as const),
  gone: fc.array(fc.boolean(), { minLength: 7, maxLength: 7 }),
  then: fc.array(
    fc.record({ codec: fc.constantFrom(...CODECS), headerLines: fc.integer({ min: 0, max: 3 }) }),
    {
      maxLength: 2,
    },
  ),
});

describe('a rollup with header lines', () => {
  it('is exact, and stays so when sources leave raw and it is repacked with other settings', async () => {
    await fc.assert(
      fc.asyncProperty(given, async ({ texts, codec, headerLines, newline, gone, then }) => {
        await using bucket = await openTestBucket({ newline });
        const byKey = putAll(bucket, texts, codec);
        const settings = { ...bucket.settings, codec, headerLines };
        const result = await bucket.roll({ settings });
        expect(result.headersKept).toBe(await expectExact(bucket, byKey, settings));
        for (const [i, key] of [...byKey.keys()].entries())
          if (gone[i] === true) bucket.remove(key.slice(RAW.length));
        for (const change of then) {
          // What was decoded, or is in a compressed output, cannot be joined as it was.
          if (change.codec === 'keep' && codec !== 'keep') continue;
          const wasEncoded = bucket.manifest.outputs.some(
            ({ codec: was }) => was === 'gzip' || was === 'zstd',
          );
          if (change.codec === 'keep' && change.headerLines === 0 && wasEncoded) continue;
          const others = { ...bucket.settings, ...change };
          const again = await bucket.roll({ repack: true, settings: others });
          // Of an hour without sources nothing is repacked.
          expect(again.status).toMatch(byKey.size === 0 ? /unchanged|empty/ : /committed/);
          const kept = await expectExact(bucket, byKey, others);
          expect(again.headersKept).toBe(change.headerLines === 0 ? undefined : kept);
        }
      }),
      { numRuns: 40 },
    );
  });

  it.each(CODECS)(
    'has one header an output with codec %s, in outputs of several parts too',
    async (codec) => {
      await using bucket = await openTestBucket({ codec, headerLines: 2 });
      const random = seeded(3);
      const texts = Array.from({ length: 24 }, () => {
        const noise = Buffer.from(Array.from({ length: 300_000 }, () => random(256))).toString('base64');
        return Buffer.from(HEADER + noise.replaceAll('a', '\n'));
      });
      const byKey = putAll(bucket, texts, codec);
      const result = await bucket.roll();
      expect(result).toMatchObject({ status: 'committed', headersKept: 0, objects: 24 });
      expect(result.outputs).toBeGreaterThan(1);
      for (const { body } of bucket.outputs())
        expect(INFLATE[codec](body).toString().split('#Version').length - 1).toBe(1);
      await expectExact(bucket, byKey, bucket.settings);
      for (const key of byKey.keys()) bucket.remove(key.slice(RAW.length));
      await bucket.roll({ repack: true });
      await expectExact(bucket, byKey, bucket.settings);
    },
  );

  it('has other keys of outputs than one without, and than one with another number of lines', async () => {
    const keys = new Set<string>();
    for (const headerLines of [0, 1, 2]) {
      await using bucket = await openTestBucket({ codec: 'none', headerLines });
      bucket.put('a.log', HEADER);
      await bucket.roll();
      keys.add(bucket.manifest.outputs[0]?.key ?? '');
      expect(bucket.manifest.settings['headerLines']).toBe(headerLines === 0 ? undefined : headerLines);
    }
    expect(keys.size).toBe(3);
  });

  it('adds late arrivals, whose output has a header of its own', async () => {
    await using bucket = await openTestBucket({ codec: 'gzip', headerLines: 2 });
    const byKey = putAll(bucket, [cloudFront(3, 0), cloudFront(3, 1)], 'none');
    await bucket.roll();
    for (const name of ['98.log', '99.log']) {
      bucket.put(name, cloudFront(2, 9));
      byKey.set(RAW + name, cloudFront(2, 9));
    }
    expect(await bucket.roll()).toMatchObject({ status: 'committed', written: 1, reused: 1, headersKept: 0 });
    await expectExact(bucket, byKey, bucket.settings);
    expect(await bucket.roll()).toMatchObject({ status: 'unchanged', headersKept: 0 });
    bucket.put('01.log.gz', gzipSync(cloudFront(5, 5)));
    byKey.set(`${RAW}01.log.gz`, cloudFront(5, 5));
    bucket.remove('00.log');
    expect(await bucket.roll()).toMatchObject({ status: 'committed' });
    await expectExact(bucket, byKey, bucket.settings);
  });

  it.each(CODECS)('takes outputs of a killed run by their sidecars, with codec %s', async (codec) => {
    await using bucket = await openTestBucket({ codec, headerLines: 2 });
    const other = cloudFront(2, 2, '#Version: 2.0\n#Fields: x\n');
    const byKey = putAll(bucket, [cloudFront(3, 0), cloudFront(3, 1), other, Buffer.from(HEADER)], codec);
    for (const trustExisting of [true, false]) {
      bucket.sandbox.hook = REFUSE_INDEX;
      expect((await failureOf(bucket.roll())).code).toBe('AccessDenied');
      bucket.sandbox.hook = undefined;
      const again = await bucket.roll({ trustExisting });
      expect(again).toMatchObject({ status: 'committed', written: 0, reused: 1, headersKept: 1 });
      await expectExact(bucket, byKey, bucket.settings);
      bucket.sandbox.delete(BUCKET, MANIFEST_KEY);
    }
  });

  it.each<[string, (sidecar: { sources: { header?: number }[] }) => void]>([
    ['leaves out more than is in front of it', ({ sources: [first] }) => first && (first.header = 1)],
    ['has a header longer than any may be', ({ sources: [, second] }) => second && (second.header = 70_000)],
  ])('writes an output anew whose sidecar says of a source that it %s', async (_, change) => {
    await using bucket = await openTestBucket({ codec: 'gzip', headerLines: 2 });
    const byKey = putAll(bucket, [cloudFront(3, 0), cloudFront(3, 1)], 'none');
    bucket.sandbox.hook = REFUSE_INDEX;
    await failureOf(bucket.roll());
    bucket.sandbox.hook = undefined;
    const key = bucket.stored().find((name) => name.startsWith('part-')) ?? '';
    const sidecarKey = sidecarKeyOf(AGGREGATED + key, DESTINATION);
    const sidecar = JSON.parse(gunzipSync(bucket.sandbox.get(BUCKET, sidecarKey) ?? '').toString()) as {
      sources: { header?: number }[];
    };
    change(sidecar);
    bucket.sandbox.put(BUCKET, sidecarKey, gzipSync(JSON.stringify(sidecar)));
    expect(await bucket.roll({ trustExisting: true })).toMatchObject({ status: 'committed', reused: 0 });
    await expectExact(bucket, byKey, bucket.settings);
  });

  it('refuses sources that are joined compressed, and says what to do', async () => {
    await using bucket = await openTestBucket({ headerLines: 1 });
    bucket.put('a.log', HEADER);
    bucket.put('b.log.gz', gzipSync(HEADER));
    expect(await failureOf(bucket.roll())).toMatchObject({
      code: 'CodecConflict',
      key: `${RAW}b.log.gz`,
      message: expect.stringMatching(/Give a codec, gzip, zstd or none, or leave headerLines out/) as string,
    });
    expect(bucket.writes()).toEqual([]);
  });
});

describe('sources whose header was left out', () => {
  it.each(CODECS)('are deleted once they were proven, with codec %s', async (codec) => {
    await using bucket = await openTestBucket({ codec, headerLines: 2 });
    const texts = [cloudFront(3, 0), cloudFront(3, 1), Buffer.from(HEADER), Buffer.from('x')];
    const byKey = putAll(bucket, texts, codec);
    await bucket.roll();
    // A run that did not write the outputs has to prove them.
    expect(await bucket.roll({ deleteSource: true })).toMatchObject({
      status: 'unchanged',
      deleted: { objects: 4, kept: { unverified: 0 }, complete: true },
    });
    expect(bucket.sandbox.keys(BUCKET, RAW)).toEqual([]);
    await expectExact(bucket, byKey, bucket.settings);
  });

  it.each(['none', 'gzip'] as const)(
    'are kept in raw where the index says another header, codec %s',
    async (codec) => {
      await using bucket = await openTestBucket({ codec, headerLines: 2 });
      // Both are of one length, and differ in the header alone.
      putAll(bucket, [cloudFront(3, 0), cloudFront(3, 1)], 'keep');
      await bucket.roll();
      const changed = cloudFront(3, 1, HEADER.replace('1.0', '2.0'));
      bucket.put('01.log', changed, { headers: withCrc32(changed) });
      await replaceEtag(bucket, '01.log');
      expect(await bucket.roll({ deleteSource: true })).toMatchObject({
        deleted: { objects: 0, kept: { unverified: 2 } },
      });
      const report = await verify(DESTINATION, {
        store: bucket.connection.store,
        deep: true,
        concurrency: 1,
        progress: () => undefined,
        signal: new AbortController().signal,
      });
      expect(report.problems).toMatchObject([{ code: 'source-bytes', source: `${RAW}01.log`, offset: 10 }]);
    },
  );

  it('have a header that lies in front of them, or the index is inconsistent', async () => {
    await using bucket = await openTestBucket({ codec: 'none', headerLines: 2 });
    putAll(bucket, [Buffer.from(HEADER), Buffer.from(`${HEADER}row\n`)], 'keep');
    await bucket.roll();
    const { manifest } = bucket;
    const lines = (await bucket.sources()).map(({ header, length, ...line }) =>
      // The first source is said to be its own header.
      JSON.stringify({ ...line, length: header === undefined ? 0 : length, header: HEADER.length }),
    );
    bucket.sandbox.put(BUCKET, manifest.sources.key, gzipSync(`${lines.join('\n')}\n`));
    const report = await verify(DESTINATION, {
      store: bucket.connection.store,
      deep: false,
      concurrency: 1,
      progress: () => undefined,
      signal: new AbortController().signal,
    });
    expect(report.problems).toMatchObject([
      {
        code: 'sources-inconsistent',
        message: expect.stringContaining('00.log does not follow') as string,
      },
    ]);
  });

  it.each([
    ['Amazon S3, which copies ranges', true],
    ['another store', false],
  ])(
    'can be so large that an output of its own is streamed in a repack without them, on %s',
    async (_, isAmazon) => {
      await using bucket = await openTestBucket({ headerLines: 2, targetSize: 20 * MiB });
      const large = Buffer.concat([Buffer.from(HEADER), logLines(6 * MiB)]);
      const byKey = putAll(bucket, [cloudFront(3, 0), large, cloudFront(3, 1)], 'keep');
      await bucket.roll();
      expect(bucket.manifest.outputs).toHaveLength(1);
      for (const key of byKey.keys()) bucket.remove(key.slice(RAW.length));
      const settings = { ...bucket.settings, headerLines: 0, targetSize: 5 * MiB };
      const connection = isAmazon ? bucket.connectAsAmazonS3() : bucket.connection;
      bucket.sandbox.hook = REFUSE_INDEX;
      await failureOf(bucket.roll({ repack: true, settings, connection }));
      bucket.sandbox.hook = undefined;
      const again = await bucket.roll({ repack: true, settings, connection });
      expect(again).toMatchObject({ status: 'committed', outputs: 3, reused: 3 });
      await expectExact(bucket, byKey, settings);
    },
  );
});

describe('a plan file', () => {
  it('leads to the same outputs as one run, from raw and from what has left it', async () => {
    await using alone = await openTestBucket({ codec: 'gzip', headerLines: 2 });
    await using bucket = await openTestBucket({ codec: 'gzip', headerLines: 2 });
    const texts = [cloudFront(3, 0), cloudFront(3, 1), cloudFront(1, 2, '#Other\n'), Buffer.from(HEADER)];
    const byKey = putAll(bucket, texts, 'none');
    putAll(alone, texts, 'none');
    for (const repack of [false, true]) {
      const changes = repack ? ({ codec: 'zstd', headerLines: 1 } as const) : {};
      const settings: Settings = { ...bucket.settings, ...changes };
      const context = {
        ...{ store: bucket.connection.store, settings },
        now: () => new Date(),
        report: () => undefined,
        hasTime: () => true,
        signal: new AbortController().signal,
      };
      const request = { source: SOURCE, destination: DESTINATION, repack };
      const outcome = await rollUpByPlan(request, context, (plan) => {
        const stored = bucket.sandbox.get(BUCKET, planFiles(plan.at).items.key)?.toString() ?? '';
        const items = stored.trimEnd().split('\n');
        return writeItems(
          plan,
          items.map((item) => itemSchema.parse(JSON.parse(item))),
          request,
          context,
        );
      });
      const result = await alone.roll({ repack, settings });
      expect(outcome.headersKept).toBe(result.headersKept);
      expect(outcome.headersKept).toBe(1);
      if (!repack) expect(bucket.manifest.outputs).toEqual(alone.manifest.outputs);
      await expectExact(bucket, byKey, settings);
      for (const key of byKey.keys()) {
        bucket.remove(key.slice(RAW.length));
        alone.remove(key.slice(RAW.length));
      }
    }
  });
});

/** Makes the index say that the object which is now in raw is the one that was committed. */
async function replaceEtag(bucket: TestBucket, name: string): Promise<void> {
  const { manifest } = bucket;
  const { etag = '' } = bucket.sandbox.head(BUCKET, RAW + name) ?? {};
  const lines = (await bucket.sources()).map((source) => ({
    ...source,
    ...(source.key === RAW + name ? { etag } : {}),
  }));
  const body = gzipSync(lines.map((source) => `${JSON.stringify(source)}\n`).join(''));
  bucket.sandbox.put(BUCKET, manifest.sources.key, body);
}

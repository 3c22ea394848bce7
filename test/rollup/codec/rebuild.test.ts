import { gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { itemSchema, planFiles } from '../../../lambda/rollup/fan-out/plan-file.ts';
import { rollUpByPlan } from '../../../lambda/rollup/fan-out/roll-up-by-plan.ts';
import { writeItems } from '../../../lambda/rollup/fan-out/write-step.ts';
import { extract } from '../../../lambda/rollup/inspect/extract.ts';
import type { Settings } from '../../../lambda/settings/table.ts';
import { REFUSED, fromNth, gate, matching } from '../../support/hooks.ts';
import {
  AGGREGATED,
  BUCKET,
  DESTINATION,
  RAW,
  SOURCE,
  type TestBucket,
  failureOf,
  openTestBucket,
} from '../../support/test-bucket.ts';
import { membersOf } from './members.ts';
import { MixedHour, textOf } from './raw-hour.ts';

const SOME = { plain: 60, gzip: 30, zstd: 20, members: 10 };

/** Makes the commit fail once all outputs are written. */
const REFUSE_INDEX = fromNth(1, matching('PutObject', `${AGGREGATED}_sources`), REFUSED);

function mixedHour(bucket: TestBucket): MixedHour {
  const hour = new MixedHour(bucket);
  hour.putMany(SOME);
  return hour;
}

const settingsOf = (bucket: TestBucket, codec: Settings['codec']): Settings => ({
  ...bucket.settings,
  codec,
});

describe('a source that changes in place, others of its output having left raw', () => {
  it.each<Settings['codec']>(['gzip', 'zstd', 'none'])('is replaced alone, with codec %s', async (codec) => {
    await using bucket = await openTestBucket({ codec });
    const hour = mixedHour(bucket);
    await bucket.roll();
    const keys = [...hour.texts.keys()].sort();
    // Every other source leaves raw; it stays in the rollup.
    for (const key of keys.filter((__, i) => i % 2 === 0)) bucket.remove(key.slice(RAW.length));
    const changed = keys.find((key) => key.endsWith('.zst') && bucket.sandbox.head(BUCKET, key)) ?? '';
    hour.put('zstd', changed.slice(RAW.length), Buffer.from('changed, and without its last newline'));
    bucket.sandbox.requests.length = 0;
    expect(await bucket.roll()).toMatchObject({ status: 'committed', objects: keys.length });
    expect(textOf(bucket).equals(hour.joined())).toBe(true);
    // The output before is read once, from its beginning to its end, although its sources are not all needed.
    const ranges = bucket.requests('GetObject', `${AGGREGATED}part-`).map(({ range }) => range);
    expect(ranges.length).toBeGreaterThan(0);
    if (codec !== 'none') expect(new Set(ranges).size).toBe(ranges.length);
    await bucket.expectSound();
    // All others leave raw too: extract still has every text.
    for (const key of keys) bucket.remove(key.slice(RAW.length));
    for (const key of [changed, keys[0] ?? '', keys.at(-1) ?? '']) {
      const { bytes } = await extract(bucket.connection.store, DESTINATION, key);
      expect(Buffer.concat(await Array.fromAsync(bytes)).equals(hour.texts.get(key) as Buffer)).toBe(true);
    }
  });
});

describe('a late arrival', () => {
  it('has an output of its own, and a repack joins it with sources that have left raw', async () => {
    await using bucket = await openTestBucket({ codec: 'gzip' });
    const hour = mixedHour(bucket);
    const first = await bucket.roll();
    hour.put('gzip', 'app/0.log.gz');
    hour.put('plain', 'app/999.log');
    const late = await bucket.roll();
    expect(late).toMatchObject({ status: 'committed', reused: first.outputs, written: 1 });
    await bucket.expectSound();
    for (const key of hour.texts.keys()) bucket.remove(key.slice(RAW.length));
    expect(await bucket.roll({ repack: true })).toMatchObject({ status: 'committed', reused: 0 });
    expect(textOf(bucket).equals(hour.joined())).toBe(true);
    expect(bucket.outputs().map(({ body }) => membersOf(body))).toEqual(bucket.outputs().map(() => 1));
    await bucket.expectSound();
  });
});

describe('a repack with another codec', () => {
  it('needs no source that has left raw, unless the codec is keep', async () => {
    await using bucket = await openTestBucket({ codec: 'keep' });
    const hour = mixedHour(bucket);
    // The Content-Encoding of a source that lies in an output as it is is not known any more.
    const encoded = Buffer.from('encoded, and its key does not say so\n');
    bucket.put('app/encoded.log', gzipSync(encoded), { headers: { 'content-encoding': 'gzip' } });
    await bucket.roll();
    hour.texts.set(`${RAW}app/encoded.log`, encoded);
    for (const key of hour.texts.keys()) bucket.remove(key.slice(RAW.length));
    for (const codec of ['gzip', 'zstd', 'none', 'zstd', 'gzip'] as const) {
      const settings = settingsOf(bucket, codec);
      expect(await bucket.roll({ repack: true, settings })).toMatchObject({ status: 'committed', reused: 0 });
      expect(textOf(bucket).equals(hour.joined())).toBe(true);
      expect(bucket.manifest.settings['codec']).toBe(codec);
      await bucket.expectSound();
    }
    const before = bucket.stored();
    const failure = await failureOf(bucket.roll({ repack: true, settings: settingsOf(bucket, 'keep') }));
    expect(failure).toMatchObject({ code: 'CodecConflict', key: [...hour.texts.keys()].sort()[0] });
    expect(bucket.stored()).toEqual(before);
    await bucket.expectSound();
  });

  it('to keep takes plain text out of an output of plain text, and all sources out of raw', async () => {
    await using bucket = await openTestBucket({ codec: 'none' });
    bucket.put('a.log', 'a\n');
    bucket.put('b.log', 'b');
    await bucket.roll();
    bucket.remove('a.log');
    const settings = settingsOf(bucket, 'keep');
    expect(await bucket.roll({ repack: true, settings })).toMatchObject({ status: 'committed' });
    expect(textOf(bucket).toString()).toBe('a\nb\n');
    expect(bucket.manifest.outputs[0]?.codec).toBeUndefined();
    await bucket.expectSound();
  });
});

describe('a run that is repeated', () => {
  it('takes finished outputs by their sidecars, and reads no source again where an earlier invocation wrote them', async () => {
    await using bucket = await openTestBucket({ codec: 'gzip' });
    const hour = mixedHour(bucket);
    bucket.sandbox.hook = REFUSE_INDEX;
    expect((await failureOf(bucket.roll())).code).toBe('AccessDenied');
    bucket.sandbox.hook = undefined;
    expect(bucket.stored().map((name) => name.replace(/-[0-9a-f]{12}/, ''))).toEqual([
      '_frames/part-00000.log.gz.json.gz',
      'part-00000.log.gz',
    ]);
    bucket.sandbox.requests.length = 0;
    const again = await bucket.roll({ trustExisting: true });
    expect(again).toMatchObject({ status: 'committed', written: 0, reused: 1 });
    // The samples by which the ratios are measured.
    expect(bucket.downloads().length).toBeLessThanOrEqual(16);
    expect(textOf(bucket).equals(hour.joined())).toBe(true);
    await bucket.expectSound();
  });

  it('commits an output again that lost its sidecar, and writes over none, of another release of zlib either', async () => {
    await using bucket = await openTestBucket({ codec: 'gzip' });
    const hour = mixedHour(bucket);
    await bucket.roll();
    const [output] = bucket.manifest.outputs;
    const key = output?.key ?? '';
    const stored = bucket.sandbox.get(BUCKET, key) as Buffer;
    for (const name of bucket.stored()) bucket.sandbox.delete(BUCKET, AGGREGATED + name);
    const other = gzipSync(gunzipSync(stored), { level: 1 });
    expect(other.equals(stored)).toBe(false);
    bucket.sandbox.put(BUCKET, key, other, { headers: { 'x-amz-meta-rollup-codec': 'gzip-6' } });
    const { etag } = bucket.sandbox.head(BUCKET, key) ?? {};
    expect(await bucket.roll()).toMatchObject({ status: 'committed' });
    expect(bucket.manifest.outputs).toMatchObject([{ key, etag, size: other.length }]);
    expect(textOf(bucket).equals(hour.joined())).toBe(true);
    await bucket.expectSound();
  });

  it('replaces an object that has the key of an output and is none', async () => {
    await using bucket = await openTestBucket({ codec: 'gzip' });
    const hour = mixedHour(bucket);
    await bucket.roll();
    const key = bucket.manifest.outputs[0]?.key ?? '';
    for (const name of bucket.stored()) bucket.sandbox.delete(BUCKET, AGGREGATED + name);
    bucket.sandbox.put(BUCKET, key, 'something else');
    expect(await bucket.roll()).toMatchObject({ status: 'committed' });
    expect(textOf(bucket).equals(hour.joined())).toBe(true);
    await bucket.expectSound();
  });
});

describe('groups', () => {
  it('have sidecars of their own, which a later run finds and the commit deletes', async () => {
    await using bucket = await openTestBucket({ codec: 'gzip', groupBy: '^([a-z]+)/' });
    const hour = mixedHour(bucket);
    for (const name of ['billing/a.log', 'billing/b.log.gz'])
      hour.put(name.endsWith('.gz') ? 'gzip' : 'plain', name);
    bucket.sandbox.hook = REFUSE_INDEX;
    expect((await failureOf(bucket.roll())).code).toBe('AccessDenied');
    bucket.sandbox.hook = undefined;
    expect(bucket.stored().filter((name) => name.startsWith('_frames/app/part-'))).toHaveLength(1);
    expect(await bucket.roll()).toMatchObject({ status: 'committed', written: 0, reused: 2 });
    const folders = bucket.outputs().map(({ key }) => key.slice(AGGREGATED.length).split('/')[0]);
    expect(folders).toEqual(['app', 'billing']);
    expect(textOf(bucket).equals(hour.joined())).toBe(true);
    await bucket.expectSound();
  });
});

describe('two runs at once', () => {
  it('commit once, leave no sidecar, and mix no bytes', async () => {
    await using bucket = await openTestBucket({ codec: 'zstd' });
    const hour = mixedHour(bucket);
    const { hook, reached, open } = gate(matching('PutObject', `${AGGREGATED}_sources`));
    bucket.sandbox.hook = hook;
    const slow = bucket.roll({ connection: bucket.connect() });
    await reached;
    hour.put('plain', 'app/late.log');
    expect(await bucket.roll()).toMatchObject({ status: 'committed' });
    open();
    expect((await slow).status).toMatch(/unchanged|committed/);
    expect(textOf(bucket).equals(hour.joined())).toBe(true);
    await bucket.expectSound();
  });
});

describe('a plan file', () => {
  it('leads to the same outputs as one run, with the same offsets of sources', async () => {
    await using alone = await openTestBucket({ codec: 'gzip', outputsInFlight: 1 });
    mixedHour(alone);
    await alone.roll();
    await using bucket = await openTestBucket({ codec: 'gzip', outputsInFlight: 3 });
    mixedHour(bucket);
    const context = {
      ...{ store: bucket.connection.store, settings: bucket.settings },
      now: () => new Date(),
      report: () => undefined,
      hasTime: () => true,
      signal: new AbortController().signal,
    };
    const request = { source: SOURCE, destination: DESTINATION };
    await rollUpByPlan(request, context, (plan) => {
      const lines =
        bucket.sandbox.get(BUCKET, planFiles(plan.at).items.key)?.toString().trimEnd().split('\n') ?? [];
      const items = lines.map((line) => itemSchema.parse(JSON.parse(line)));
      return writeItems(plan, items, request, context);
    });
    expect(bucket.manifest.outputs).toEqual(alone.manifest.outputs);
    const offsetsOf = async (one: TestBucket) =>
      (await one.sources()).map(({ key, output, offset, length, encoding }) => [
        key,
        output,
        offset,
        length,
        encoding,
      ]);
    expect(await offsetsOf(bucket)).toEqual(await offsetsOf(alone));
    await bucket.expectSound();
  });
});

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
  type World,
  failureOf,
  openWorld,
} from '../../support/world.ts';
import { membersOf } from './members.ts';
import { MixedHour, textOf } from './raw-hour.ts';

const SOME = { plain: 60, gzip: 30, zstd: 20, members: 10 };

/** Makes the commit fail once all outputs are written. */
const REFUSE_INDEX = fromNth(1, matching('PutObject', `${AGGREGATED}_sources`), REFUSED);

function mixedHour(world: World): MixedHour {
  const hour = new MixedHour(world);
  hour.putMany(SOME);
  return hour;
}

const settingsOf = (world: World, codec: Settings['codec']): Settings => ({ ...world.settings, codec });

describe('a source that changes in place, others of its output having left raw', () => {
  it.each<Settings['codec']>(['gzip', 'zstd', 'none'])('is replaced alone, with codec %s', async (codec) => {
    await using world = await openWorld({ codec });
    const hour = mixedHour(world);
    await world.roll();
    const keys = [...hour.texts.keys()].sort();
    // Every other source leaves raw; it stays in the rollup.
    for (const key of keys.filter((__, i) => i % 2 === 0)) world.remove(key.slice(RAW.length));
    const changed = keys.find((key) => key.endsWith('.zst') && world.sandbox.head(BUCKET, key)) ?? '';
    hour.put('zstd', changed.slice(RAW.length), Buffer.from('changed, and without its last newline'));
    world.sandbox.requests.length = 0;
    expect(await world.roll()).toMatchObject({ status: 'committed', objects: keys.length });
    expect(textOf(world).equals(hour.joined())).toBe(true);
    // The output before is read once, from its beginning to its end, although its sources are not all needed.
    const ranges = world.requests('GetObject', `${AGGREGATED}part-`).map(({ range }) => range);
    expect(ranges.length).toBeGreaterThan(0);
    if (codec !== 'none') expect(new Set(ranges).size).toBe(ranges.length);
    await world.expectSound();
    // All others leave raw too: extract still has every text.
    for (const key of keys) world.remove(key.slice(RAW.length));
    for (const key of [changed, keys[0] ?? '', keys.at(-1) ?? '']) {
      const { bytes } = await extract(world.connection.store, DESTINATION, key);
      expect(Buffer.concat(await Array.fromAsync(bytes)).equals(hour.texts.get(key) as Buffer)).toBe(true);
    }
  });
});

describe('a late arrival', () => {
  it('has an output of its own, and a repack joins it with sources that have left raw', async () => {
    await using world = await openWorld({ codec: 'gzip' });
    const hour = mixedHour(world);
    const first = await world.roll();
    hour.put('gzip', 'app/0.log.gz');
    hour.put('plain', 'app/999.log');
    const late = await world.roll();
    expect(late).toMatchObject({ status: 'committed', reused: first.outputs, written: 1 });
    await world.expectSound();
    for (const key of hour.texts.keys()) world.remove(key.slice(RAW.length));
    expect(await world.roll({ repack: true })).toMatchObject({ status: 'committed', reused: 0 });
    expect(textOf(world).equals(hour.joined())).toBe(true);
    expect(world.outputs().map(({ body }) => membersOf(body))).toEqual(world.outputs().map(() => 1));
    await world.expectSound();
  });
});

describe('a repack with another codec', () => {
  it('needs no source that has left raw, unless the codec is keep', async () => {
    await using world = await openWorld({ codec: 'keep' });
    const hour = mixedHour(world);
    // The Content-Encoding of a source that lies in an output as it is is not known any more.
    const encoded = Buffer.from('encoded, and its key does not say so\n');
    world.put('app/encoded.log', gzipSync(encoded), { headers: { 'content-encoding': 'gzip' } });
    await world.roll();
    hour.texts.set(`${RAW}app/encoded.log`, encoded);
    for (const key of hour.texts.keys()) world.remove(key.slice(RAW.length));
    for (const codec of ['gzip', 'zstd', 'none', 'zstd', 'gzip'] as const) {
      const settings = settingsOf(world, codec);
      expect(await world.roll({ repack: true, settings })).toMatchObject({ status: 'committed', reused: 0 });
      expect(textOf(world).equals(hour.joined())).toBe(true);
      expect(world.manifest.settings['codec']).toBe(codec);
      await world.expectSound();
    }
    const before = world.stored();
    const failure = await failureOf(world.roll({ repack: true, settings: settingsOf(world, 'keep') }));
    expect(failure).toMatchObject({ code: 'CodecConflict', key: [...hour.texts.keys()].sort()[0] });
    expect(world.stored()).toEqual(before);
    await world.expectSound();
  });

  it('to keep takes plain text out of an output of plain text, and all sources out of raw', async () => {
    await using world = await openWorld({ codec: 'none' });
    world.put('a.log', 'a\n');
    world.put('b.log', 'b');
    await world.roll();
    world.remove('a.log');
    const settings = settingsOf(world, 'keep');
    expect(await world.roll({ repack: true, settings })).toMatchObject({ status: 'committed' });
    expect(textOf(world).toString()).toBe('a\nb\n');
    expect(world.manifest.outputs[0]?.codec).toBeUndefined();
    await world.expectSound();
  });
});

describe('a run that is repeated', () => {
  it('takes finished outputs by their sidecars, and reads no source again where an earlier invocation wrote them', async () => {
    await using world = await openWorld({ codec: 'gzip' });
    const hour = mixedHour(world);
    world.sandbox.hook = REFUSE_INDEX;
    expect((await failureOf(world.roll())).code).toBe('AccessDenied');
    world.sandbox.hook = undefined;
    expect(world.stored().map((name) => name.replace(/-[0-9a-f]{12}/, ''))).toEqual([
      '_frames/part-00000.log.gz.json.gz',
      'part-00000.log.gz',
    ]);
    world.sandbox.requests.length = 0;
    const again = await world.roll({ trustExisting: true });
    expect(again).toMatchObject({ status: 'committed', written: 0, reused: 1 });
    // The samples by which the ratios are measured.
    expect(world.requests('GetObject', RAW).length).toBeLessThanOrEqual(16);
    expect(textOf(world).equals(hour.joined())).toBe(true);
    await world.expectSound();
  });

  it('commits an output again that lost its sidecar, and writes over none, of another release of zlib either', async () => {
    await using world = await openWorld({ codec: 'gzip' });
    const hour = mixedHour(world);
    await world.roll();
    const [output] = world.manifest.outputs;
    const key = output?.key ?? '';
    const stored = world.sandbox.get(BUCKET, key) as Buffer;
    for (const name of world.stored()) world.sandbox.delete(BUCKET, AGGREGATED + name);
    const other = gzipSync(gunzipSync(stored), { level: 1 });
    expect(other.equals(stored)).toBe(false);
    world.sandbox.put(BUCKET, key, other, { headers: { 'x-amz-meta-rollup-codec': 'gzip-6' } });
    const { etag } = world.sandbox.head(BUCKET, key) ?? {};
    expect(await world.roll()).toMatchObject({ status: 'committed' });
    expect(world.manifest.outputs).toMatchObject([{ key, etag, size: other.length }]);
    expect(textOf(world).equals(hour.joined())).toBe(true);
    await world.expectSound();
  });

  it('replaces an object that has the key of an output and is none', async () => {
    await using world = await openWorld({ codec: 'gzip' });
    const hour = mixedHour(world);
    await world.roll();
    const key = world.manifest.outputs[0]?.key ?? '';
    for (const name of world.stored()) world.sandbox.delete(BUCKET, AGGREGATED + name);
    world.sandbox.put(BUCKET, key, 'something else');
    expect(await world.roll()).toMatchObject({ status: 'committed' });
    expect(textOf(world).equals(hour.joined())).toBe(true);
    await world.expectSound();
  });
});

describe('groups', () => {
  it('have sidecars of their own, which a later run finds and the commit deletes', async () => {
    await using world = await openWorld({ codec: 'gzip', groupBy: '^([a-z]+)/' });
    const hour = mixedHour(world);
    for (const name of ['billing/a.log', 'billing/b.log.gz'])
      hour.put(name.endsWith('.gz') ? 'gzip' : 'plain', name);
    world.sandbox.hook = REFUSE_INDEX;
    expect((await failureOf(world.roll())).code).toBe('AccessDenied');
    world.sandbox.hook = undefined;
    expect(world.stored().filter((name) => name.startsWith('_frames/app/part-'))).toHaveLength(1);
    expect(await world.roll()).toMatchObject({ status: 'committed', written: 0, reused: 2 });
    const folders = world.outputs().map(({ key }) => key.slice(AGGREGATED.length).split('/')[0]);
    expect(folders).toEqual(['app', 'billing']);
    expect(textOf(world).equals(hour.joined())).toBe(true);
    await world.expectSound();
  });
});

describe('two runs at once', () => {
  it('commit once, leave no sidecar, and mix no bytes', async () => {
    await using world = await openWorld({ codec: 'zstd' });
    const hour = mixedHour(world);
    const { hook, reached, open } = gate(matching('PutObject', `${AGGREGATED}_sources`));
    world.sandbox.hook = hook;
    const slow = world.roll({ connection: world.connect() });
    await reached;
    hour.put('plain', 'app/late.log');
    expect(await world.roll()).toMatchObject({ status: 'committed' });
    open();
    expect((await slow).status).toMatch(/unchanged|committed/);
    expect(textOf(world).equals(hour.joined())).toBe(true);
    await world.expectSound();
  });
});

describe('a plan file', () => {
  it('leads to the same outputs as one run, with the same offsets of sources', async () => {
    await using alone = await openWorld({ codec: 'gzip', outputsInFlight: 1 });
    mixedHour(alone);
    await alone.roll();
    await using world = await openWorld({ codec: 'gzip', outputsInFlight: 3 });
    mixedHour(world);
    const context = {
      ...{ store: world.connection.store, settings: world.settings },
      now: () => new Date(),
      report: () => undefined,
      hasTime: () => true,
      signal: new AbortController().signal,
    };
    const request = { source: SOURCE, destination: DESTINATION };
    await rollUpByPlan(request, context, (plan) => {
      const lines =
        world.sandbox.get(BUCKET, planFiles(plan.at).items.key)?.toString().trimEnd().split('\n') ?? [];
      const items = lines.map((line) => itemSchema.parse(JSON.parse(line)));
      return writeItems(plan, items, request, context);
    });
    expect(world.manifest.outputs).toEqual(alone.manifest.outputs);
    const offsetsOf = async (one: World) =>
      (await one.sources()).map(({ key, output, offset, length, encoding }) => [
        key,
        output,
        offset,
        length,
        encoding,
      ]);
    expect(await offsetsOf(world)).toEqual(await offsetsOf(alone));
    await world.expectSound();
  });
});

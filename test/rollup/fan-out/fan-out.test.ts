import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { commitPlan } from '../../../lambda/rollup/fan-out/commit-step.ts';
import {
  type PlanHeader,
  type PlanItem,
  formatItems,
  itemSchema,
  parseLine,
  planFiles,
} from '../../../lambda/rollup/fan-out/plan-file.ts';
import { readItems } from '../../../lambda/rollup/fan-out/plan-store.ts';
import { type WrittenPlan, planToFile } from '../../../lambda/rollup/fan-out/plan-step.ts';
import { rollUpByPlan } from '../../../lambda/rollup/fan-out/roll-up-by-plan.ts';
import { type WriteStep, writeItems } from '../../../lambda/rollup/fan-out/write-step.ts';
import type { Manifest } from '../../../lambda/rollup/model/manifest.ts';
import type { Settings } from '../../../lambda/settings/table.ts';
import { MiB } from '../../../lambda/size.ts';
import { REFUSED, matching, onNth } from '../../support/hooks.ts';
import {
  AGGREGATED,
  BUCKET,
  DESTINATION,
  SOURCE,
  type TestBucket,
  failureOf,
  logLines,
  openTestBucket,
  seeded,
} from '../../support/test-bucket.ts';

const REQUEST = { source: SOURCE, destination: DESTINATION };

function contextOf({ connection: { store }, settings }: TestBucket, now = () => new Date()) {
  return {
    ...{ store, settings },
    now,
    report: () => undefined,
    hasTime: () => true,
    signal: new AbortController().signal,
  };
}

async function planned(bucket: TestBucket, request = REQUEST): Promise<WrittenPlan> {
  const plan = await planToFile(request, contextOf(bucket));
  if (plan.status !== 'planned') throw new Error(`It was ${plan.status}.`);
  return plan;
}

function itemsOf(bucket: TestBucket, { at }: WrittenPlan): PlanItem[] {
  const body = bucket.sandbox.get(BUCKET, planFiles(at).items.key) ?? Buffer.alloc(0);
  const lines = body.toString().trimEnd().split('\n');
  return lines.map((line) => itemSchema.parse(JSON.parse(line)));
}

function keyOf(bucket: TestBucket, { at }: WrittenPlan, { offset, length }: PlanItem): string {
  const lines = bucket.sandbox.get(BUCKET, planFiles(at).lines.key) ?? Buffer.alloc(0);
  return parseLine(lines.subarray(offset, offset + length), at).output.key;
}

/** Carries a plan out in batches, the last first: nothing may depend on their order. */
async function writeAll(bucket: TestBucket, plan: WrittenPlan, perBatch = 2): Promise<WriteStep> {
  const items = itemsOf(bucket, plan);
  const batches = Array.from({ length: Math.ceil(items.length / perBatch) }, (_, i) =>
    items.slice(i * perBatch, (i + 1) * perBatch),
  );
  let last: WriteStep = { status: 'lost' };
  for (const batch of batches.reverse()) last = await writeItems(plan, batch, REQUEST, contextOf(bucket));
  return last;
}

const fanOut = (bucket: TestBucket, now?: () => Date) =>
  rollUpByPlan(REQUEST, contextOf(bucket, now), (plan) => writeAll(bucket, plan));

/** The committed outputs, with digests of their bytes. */
function committed(bucket: TestBucket): { manifest: Manifest; objects: [string, string][] } {
  const { manifest } = bucket;
  const names = bucket.stored().filter((name) => name !== '_manifest.json');
  const digest = (name: string): string =>
    createHash('sha256')
      .update(bucket.sandbox.get(BUCKET, AGGREGATED + name) ?? '')
      .digest('hex');
  return { manifest, objects: names.map((name) => [name, digest(name)]) };
}

function putMixedHour(bucket: TestBucket): void {
  const random = seeded(7);
  for (let i = 0; i < 300; i++) {
    const body = logLines(20_000 + random(40_000), random);
    bucket.put(`${String(i).padStart(4, '0')}.log`, i % 3 === 0 ? body.subarray(0, -1) : body);
  }
  for (let i = 0; i < 24; i++) bucket.put(`gz/${i}.json.gz`, gzipSync(logLines(500_000), { level: 0 }));
  bucket.put('0100-large.log', logLines(6 * MiB));
  bucket.put('0200-empty.log', '');
  for (const odd of ['a b+c%.log', 'ü/\u{1F600}.log', 'line\nbreak.log', '"quoted".log'])
    bucket.put(odd, 'odd');
}

describe('a plan that is carried out by many', () => {
  it('leads to the same keys, bytes and manifest as one run, at first and after changes', async () => {
    const now = new Date();
    await using alone = await openTestBucket({}, { now: () => now });
    await using many = await openTestBucket({}, { now: () => now });
    const rounds: ((bucket: TestBucket) => void)[] = [
      putMixedHour,
      (bucket) => {
        bucket.put('0299-late.log', logLines(100_000));
        bucket.put('0050.log', 'changed in place');
        bucket.remove('0051.log');
        bucket.remove('0100-large.log');
      },
    ];
    for (const [round, change] of rounds.entries()) {
      change(alone);
      change(many);
      // Keys depend on the manifest that was planned from, and a manifest has the time at which it was made.
      const at = () => new Date(now.getTime() + round * 1000);
      const single = await alone.roll({ now: at });
      const outcome = await fanOut(many, at);
      expect(committed(many)).toEqual(committed(alone));
      const { status, written, copied, reused } = outcome;
      expect({ status, written, copied, reused }).toEqual({
        status: 'committed',
        written: single.written,
        copied: single.copied,
        reused: single.reused,
      });
    }
    await many.expectSound();
  });

  it.each<[string, Partial<Settings>[]]>([
    ['groups', [{ groupBy: '^([^/]+)/' }]],
    ['filters, narrowed later', [{}, { filters: [{ exclude: '*b*' }] }, {}]],
    ['a codec', [{ codec: 'gzip' }]],
    [
      'one codec after another',
      [{ codec: 'none' }, { codec: 'zstd' }, { codec: 'gzip', groupBy: '^([^/]+)/' }],
    ],
  ])('is found sound with %s: at first, after changes, and repacked', async (_, settings) => {
    await using bucket = await openTestBucket();
    for (const name of ['x/a.log', 'x/b.log', 'y/c.json', 'y/d.log']) bucket.put(name, logLines(2000));
    const roll = (at: number, repack = false) => {
      const request = { ...REQUEST, repack };
      const context = contextOf(bucket);
      const chosen = { ...context, settings: { ...context.settings, ...(settings[at] ?? settings[0]) } };
      return rollUpByPlan(request, chosen, (plan) =>
        writeItems(plan, itemsOf(bucket, plan), request, chosen),
      );
    };
    expect(await roll(0)).toMatchObject({ status: 'committed' });
    bucket.remove('x/a.log');
    bucket.remove('y/c.json');
    bucket.put('x/b.log', logLines(3000));
    bucket.put('y/d.log', logLines(4000));
    bucket.put('z/e.log', logLines(1000));
    expect(await roll(1)).toMatchObject({ status: 'committed' });
    expect(await roll(2, true)).toMatchObject({ status: 'committed', totals: { objects: 5 } });
    await bucket.expectSound();
  });

  it('names its outputs by byte ranges of its lines, however many sources they have', async () => {
    await using bucket = await openTestBucket();
    for (let i = 0; i < 3000; i++) bucket.put(`${String(i).padStart(5, '0')}.log`, logLines(3000));
    const plan = await planned(bucket);
    const items = itemsOf(bucket, plan);
    expect(plan.totals).toEqual({ outputs: items.length, objects: 3000, bytes: 9_000_000 });
    const lines = bucket.sandbox.get(BUCKET, planFiles(plan.at).lines.key) as Buffer;
    expect(items.map(({ offset, length }) => lines.subarray(offset, offset + length).at(-1))).toEqual(
      items.map(() => 0x0a),
    );
    expect(items.reduce((sum, { length }) => sum + length, 0)).toBe(lines.length);
  });

  it('is not written where there is nothing to do', async () => {
    await using bucket = await openTestBucket();
    expect(await fanOut(bucket)).toMatchObject({ status: 'empty' });
    expect(await fanOut(bucket)).toMatchObject({ status: 'unchanged' });
    bucket.put('a.log', 'a\n');
    expect(await fanOut(bucket)).toMatchObject({ status: 'committed', written: 1 });
    expect(await fanOut(bucket)).toMatchObject({ status: 'unchanged' });
    await bucket.expectSound();
  });

  it('commits nothing while an output is missing, keeps the others, and repeats none of them', async () => {
    await using bucket = await openTestBucket();
    bucket.putHour(250);
    const plan = await planned(bucket);
    const [failing, ...others] = itemsOf(bucket, plan) as [PlanItem, ...PlanItem[]];
    const key = keyOf(bucket, plan, failing);
    bucket.sandbox.hook = (asked) =>
      asked.key === key && asked.operation !== 'HeadObject'
        ? { kind: 'error', status: 403, code: 'AccessDenied' }
        : undefined;
    expect(await failureOf(writeItems(plan, [failing], REQUEST, contextOf(bucket)))).toMatchObject({
      code: 'AccessDenied',
      key,
    });
    await writeItems(plan, others, REQUEST, contextOf(bucket));
    expect((await failureOf(commitPlan(plan, REQUEST, contextOf(bucket)))).code).toBe('OutputMissing');
    expect(bucket.isCommitted).toBe(false);

    bucket.sandbox.hook = undefined;
    bucket.sandbox.clearRequests();
    expect(await writeItems(plan, [failing, ...others], REQUEST, contextOf(bucket))).toMatchObject({
      status: 'written',
      counts: { written: 1, copied: 0, reused: others.length },
    });
    expect(new Set(bucket.writes().map((write) => write.key))).toEqual(new Set([key]));
    expect(await commitPlan(plan, REQUEST, contextOf(bucket))).toMatchObject({ status: 'committed' });
    await bucket.expectSound();
  });

  it('commits once, although another plan of the same hour is carried out', async () => {
    await using bucket = await openTestBucket();
    bucket.putHour(220);
    const first = await planned(bucket);
    bucket.put('zz-late.log', logLines(1000));
    const second = await planned(bucket);
    await writeAll(bucket, first);
    const [late, ...others] = itemsOf(bucket, second).reverse() as [PlanItem, ...PlanItem[]];
    await writeItems(second, others, REQUEST, contextOf(bucket));
    expect(await commitPlan(first, REQUEST, contextOf(bucket))).toMatchObject({ status: 'committed' });
    const { manifest } = bucket;

    // The steps of the second plan are of no use any more: their results are `lost`, and they leave nothing behind.
    expect(await writeItems(second, [late], REQUEST, contextOf(bucket))).toEqual({ status: 'lost' });
    expect(await commitPlan(second, REQUEST, contextOf(bucket))).toBe('lost');
    expect(bucket.manifest).toEqual(manifest);
    expect(bucket.leftovers()).toEqual([]);
    // Likewise for a plan that was removed, and for a commit that is repeated because its response was lost.
    expect(await writeItems(first, [{ offset: 0, length: 1 }], REQUEST, contextOf(bucket))).toEqual({
      status: 'lost',
    });
    expect(await commitPlan(first, REQUEST, contextOf(bucket))).toBe('lost');

    expect(await fanOut(bucket)).toMatchObject({ status: 'committed', written: 1 });
    await bucket.expectSound();
  });

  it('is lost if another run commits while its outputs are written', async () => {
    await using bucket = await openTestBucket();
    bucket.putHour(220);
    const plan = await planned(bucket);
    let committing: Promise<unknown> | undefined;
    const completes = matching('CompleteMultipartUpload');
    bucket.sandbox.hook = async (request) => {
      if (completes(request) && committing === undefined) {
        committing = Promise.resolve();
        bucket.put('zz-late.log', logLines(1000));
        committing = bucket.roll({
          connection: bucket.connect(),
          settings: { ...bucket.settings, targetSize: 9 * MiB },
        });
        await committing;
      }
      return undefined;
    };
    expect(await writeAll(bucket, plan)).toEqual({ status: 'lost' });
    expect(await commitPlan(plan, REQUEST, contextOf(bucket))).toBe('lost');
    await bucket.expectSound();
  });

  it('reads the outputs instead of what another run deletes from raw while it repacks', async () => {
    await using bucket = await openTestBucket();
    bucket.putHour(220);
    await bucket.roll();
    const request = { ...REQUEST, repack: true };
    let plans = 0;
    const outcome = await rollUpByPlan(request, contextOf(bucket), async (plan) => {
      if (++plans === 1) {
        const { deleted } = await bucket.roll({ connection: bucket.connect(), deleteSource: true });
        expect(deleted).toMatchObject({ objects: 220 });
      }
      return writeItems(plan, itemsOf(bucket, plan), request, contextOf(bucket));
    });
    expect(outcome).toMatchObject({ status: 'committed', totals: { objects: 220 } });
    expect(plans).toBe(2);
    await bucket.expectSound();
  });

  it('is committed where its files may not be deleted, and tells that', async () => {
    await using bucket = await openTestBucket();
    bucket.putHour(20);
    bucket.sandbox.hook = onNth(1, matching('DeleteObjects'), REFUSED);
    expect(await fanOut(bucket)).toMatchObject({ status: 'committed', problems: [{ code: 'AccessDenied' }] });
    await bucket.expectSound({ leftovers: bucket.leftovers().filter((key) => key.includes('/_plan/')) });
    expect(bucket.leftovers()).toHaveLength(3);
  });

  it('ends as SourceVanished where a source is gone that no output holds', async () => {
    await using bucket = await openTestBucket();
    bucket.putHour(20);
    const rolling = rollUpByPlan(REQUEST, contextOf(bucket), (plan) => {
      bucket.remove('00007.log');
      return writeItems(plan, itemsOf(bucket, plan), REQUEST, contextOf(bucket));
    });
    const { code, message } = await failureOf(rolling);
    expect(code).toBe('SourceVanished');
    expect(message).toMatch(/00007\.log is gone: .* Run again/);
    expect(bucket.isCommitted).toBe(false);
  });

  it('is deleted by a later run if it never came to its commit', async () => {
    await using bucket = await openTestBucket();
    bucket.putHour(50);
    const plan = await planned(bucket);
    const files = bucket.stored();
    expect(files).toHaveLength(3);
    await bucket.roll();
    expect(bucket.leftovers()).toHaveLength(3);
    for (const name of files) bucket.sandbox.age(BUCKET, AGGREGATED + name, 2 * 60 * 60 * 1000);
    await bucket.roll();
    await bucket.expectSound();
    expect(await commitPlan(plan, REQUEST, contextOf(bucket))).toBe('lost');
  });

  it('has lines that begin in one chunk of a file and end in the next', async () => {
    await using bucket = await openTestBucket();
    const at = { destination: DESTINATION, id: '0123456789abcdef' };
    const lengths = Array.from({ length: 5_000 }, (_, i) => 100 + (i % 7));
    const { etag } = bucket.sandbox.put(
      BUCKET,
      planFiles(at).items.key,
      Buffer.concat([...formatItems(at, lengths)]),
    );
    const header = { items: { etag, size: 0 } } as PlanHeader;
    const { signal } = new AbortController();
    const items = await Array.fromAsync(readItems(bucket.connection.store, at, header, signal));
    expect(items.map(({ length }) => length)).toEqual(lengths);
  });

  it('is refused if it was damaged, or lies elsewhere', async () => {
    await using bucket = await openTestBucket();
    bucket.putHour(50);
    const plan = await planned(bucket);
    const { header } = planFiles(plan.at);
    const body = bucket.sandbox.get(BUCKET, header.key) as Buffer;
    for (const [from, to] of [
      ['"version": 2', '"version": 1'],
      [AGGREGATED, 'elsewhere/'],
      ['{', ''],
    ] as const) {
      bucket.sandbox.put(BUCKET, header.key, body.toString().replace(from, to));
      const { etag = '' } = bucket.sandbox.head(BUCKET, header.key) ?? {};
      const pinned = { at: plan.at, etag };
      expect((await failureOf(commitPlan(pinned, REQUEST, contextOf(bucket)))).code).toBe('BadPlan');
    }
  });
});

it('a plan that lost plans again, also where nothing may be deleted', async () => {
  await using bucket = await openTestBucket();
  bucket.putHour(20);
  const plan = await planned(bucket);
  await writeAll(bucket, plan);
  bucket.put('99999.log', 'late\n');
  await bucket.roll();
  bucket.sandbox.hook = ({ operation }) => (operation === 'DeleteObjects' ? REFUSED : undefined);
  expect(await commitPlan(plan, REQUEST, contextOf(bucket))).toBe('lost');
});

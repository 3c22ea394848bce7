import { gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { commitPlan } from '../../../lambda/rollup/fan-out/commit-step.ts';
import { itemSchema, planFiles } from '../../../lambda/rollup/fan-out/plan-file.ts';
import { planToFile } from '../../../lambda/rollup/fan-out/plan-step.ts';
import { writeItems } from '../../../lambda/rollup/fan-out/write-step.ts';
import { verify } from '../../../lambda/rollup/inspect/verify.ts';
import type { Settings } from '../../../lambda/settings/table.ts';
import { REFUSED, matching, onNth } from '../../support/hooks.ts';
import {
  AGGREGATED,
  BUCKET,
  DESTINATION,
  RAW,
  SOURCE,
  type World,
  failureOf,
  logLines,
  openWorld,
  withCrc32,
} from '../../support/world.ts';

/** The CRC-32 that S3 holds of a source. Without one of its writer's, S3 holds a CRC-64/NVME that it computes itself. */
type Kept = 'CRC-32' | 'none';

interface Hour {
  settings?: Partial<Settings>;
  bodies: Record<string, Buffer>;
}

const WHOLE = Array.from({ length: 6 }, (_, i) => logLines(40_000 + i));
const HOURS: Record<string, Hour> = {
  'plain text': { bodies: named(WHOLE, '.log') },
  'plain text, of which some lacks its last newline': {
    bodies: named(
      WHOLE.map((body, i) => (i % 2 === 0 ? body.subarray(0, -1) : body)),
      '.log',
    ),
  },
  'gzip as it is': {
    bodies: named(
      WHOLE.map((body) => gzipSync(body)),
      '.log.gz',
    ),
  },
  'a copy of a large source': { bodies: { 'large.log': logLines(6_000_000) } },
  'gzip, encoded': {
    settings: { codec: 'gzip' },
    bodies: { ...named(WHOLE, '.log'), 'z.log.gz': gzipSync(logLines(3_000)) },
  },
};
const KINDS = Object.keys(HOURS);

function named(bodies: Buffer[], extension: string): Record<string, Buffer> {
  return Object.fromEntries(bodies.map((body, i) => [`${i}${extension}`, body]));
}

/** An hour whose one output is written and not committed. */
async function written(hour: string, kept: Kept): Promise<World> {
  const { settings = {}, bodies } = HOURS[hour] as Hour;
  const world = await openWorld(settings);
  for (const [name, body] of Object.entries(bodies))
    world.put(name, body, kept === 'none' ? {} : { headers: withCrc32(body) });
  world.sandbox.hook = onNth(1, matching('PutObject', `${AGGREGATED}_sources`), REFUSED);
  expect((await failureOf(world.roll())).code).toBe('AccessDenied');
  world.sandbox.hook = undefined;
  world.sandbox.clearRequests();
  expect(world.sandbox.keys(BUCKET, `${AGGREGATED}part-`)).toHaveLength(1);
  return world;
}

function outputOf(world: World): string {
  const [key = ''] = world.sandbox.keys(BUCKET, `${AGGREGATED}part-`);
  return key;
}

/** Replaces an output by other bytes of the same size, with its metadata, as if they had been written so. */
function plant(world: World, key: string, { withChecksum = true } = {}): void {
  const body = Buffer.from(world.sandbox.get(BUCKET, key) as Buffer);
  if (key.endsWith('.log')) body.fill('x', 5_000, 6_000);
  else gzipSync(logLines(2_000)).copy(body);
  const headers = {
    ...world.sandbox.attributes(BUCKET, key)?.headers,
    ...(withChecksum ? withCrc32(body) : {}),
  };
  world.sandbox.put(BUCKET, key, body, { headers });
}

const bodiesRead = (world: World): number => world.requests('GetObject', RAW).length;
const inRaw = (world: World): number => world.sandbox.keys(BUCKET, RAW).length;

describe('an existing output', () => {
  describe.each(KINDS)('%s', (hour) => {
    it.each<[string, Kept, boolean]>([
      ['whose sources have CRC-32s', 'CRC-32', true],
      ['whose sources have none', 'none', true],
      ['without a CRC-32 of its own', 'CRC-32', false],
    ])('%s, and has other bytes, is written anew', async (_, kept, withChecksum) => {
      await using world = await written(hour, kept);
      const key = outputOf(world);
      const right = world.sandbox.get(BUCKET, key);
      plant(world, key, { withChecksum });
      expect(await world.roll({ deleteSource: true })).toMatchObject({
        status: 'committed',
        reused: 0,
        deleted: { objects: Object.keys(HOURS[hour]?.bodies ?? {}).length },
      });
      expect(world.sandbox.get(BUCKET, key)?.equals(right as Buffer)).toBe(true);
      await world.expectSound();
    });

    it.each<[Kept]>([['CRC-32'], ['none']])('is reused where it is sound; sources have %s', async (kept) => {
      await using world = await written(hour, kept);
      const key = outputOf(world);
      const { etag } = world.sandbox.head(BUCKET, key) ?? {};
      expect(await world.roll({ deleteSource: true })).toMatchObject({
        status: 'committed',
        ...{ written: 0, copied: 0, reused: 1 },
      });
      expect(world.sandbox.head(BUCKET, key)?.etag).toBe(etag);
      const uploads = ['UploadPart', 'CopyObject'] as const;
      expect(uploads.flatMap((operation) => world.requests(operation, AGGREGATED))).toEqual([]);
      expect(inRaw(world)).toBe(0);
      if (kept === 'CRC-32' && !hour.includes('encoded')) expect(bodiesRead(world)).toBe(0);
      await world.expectSound();
    });

    it('that earlier invocations wrote is reused without a look at its sources', async () => {
      await using world = await written(hour, 'CRC-32');
      expect(await world.roll({ trustExisting: true })).toMatchObject({ written: 0, copied: 0, reused: 1 });
      expect(world.requests('HeadObject', RAW)).toEqual([]);
      // With a codec some sources are read to measure ratios.
      if (!hour.includes('encoded')) expect(bodiesRead(world)).toBe(0);
      await world.expectSound();
    });

    it('that was reused so keeps its sources in raw where it has other bytes; verify finds it, a repack mends it', async () => {
      await using world = await written(hour, 'CRC-32');
      const key = outputOf(world);
      plant(world, key);
      const sources = inRaw(world);
      const trusting = await world.roll({ trustExisting: true, deleteSource: true });
      expect(trusting).toMatchObject({
        status: 'committed',
        reused: 1,
        deleted: { objects: 0, kept: { unverified: sources }, complete: true },
        problems: [{ code: 'OutputDamaged', key }],
      });
      expect(trusting.problems?.[0]?.message).toContain('--repack');
      expect(await world.roll({ deleteSource: true })).toMatchObject({
        status: 'unchanged',
        deleted: { objects: 0, kept: { unverified: sources } },
      });
      const { store } = world.connection;
      const { signal } = new AbortController();
      const options = { store, deep: true, concurrency: 2, progress: () => undefined, signal };
      expect(await verify(DESTINATION, options)).toMatchObject({ status: 'mismatch' });
      expect(await world.roll({ repack: true, deleteSource: true })).toMatchObject({
        status: 'committed',
        reused: 0,
        deleted: { objects: sources },
      });
      await world.expectSound();
    });
  });

  it('with a wrong sidecar is reused, and the sidecar and the index of sources are right afterwards', async () => {
    await using world = await written('gzip, encoded', 'CRC-32');
    const key = outputOf(world);
    const [sidecar = ''] = world.sandbox.keys(BUCKET, `${AGGREGATED}_frames/`);
    const told = JSON.parse(gunzipSync(world.sandbox.get(BUCKET, sidecar) as Buffer).toString()) as {
      sources: { length: number }[];
    };
    const [first, second] = told.sources;
    if (first !== undefined && second !== undefined)
      [first.length, second.length] = [second.length, first.length];
    world.sandbox.put(BUCKET, sidecar, gzipSync(JSON.stringify(told)));
    expect(await world.roll({ deleteSource: true })).toMatchObject({ reused: 1, deleted: { objects: 7 } });
    expect(world.manifest.outputs.map((output) => output.key)).toEqual([key]);
    await world.expectSound();
  });
});

describe('an output of which some sources have left raw', () => {
  it.each<[string, Kept]>([
    ['plain text', 'CRC-32'],
    ['plain text', 'none'],
    ['gzip, encoded', 'none'],
  ])('leave raw once what holds the others is proven: %s, %s', async (hour, kept) => {
    await using world = await written(hour, kept);
    const key = outputOf(world);
    await world.roll();
    world.remove('0.log');
    expect(await world.roll({ deleteSource: true })).toMatchObject({
      status: 'unchanged',
      deleted: { kept: { unverified: 0 }, complete: true },
    });
    expect(inRaw(world)).toBe(0);
    expect(world.sandbox.head(BUCKET, key)).toBeDefined();
  });
});

it('a deletion of sources that has no time for its proofs says so', async () => {
  await using world = await openWorld();
  world.putHour(20);
  await world.roll();
  let asked = 0;
  expect(await world.roll({ deleteSource: true, hasTime: () => ++asked < 4 })).toMatchObject({
    status: 'unchanged',
    deleted: { objects: 0, kept: { unverified: 0 }, complete: false },
  });
  expect(await world.roll({ deleteSource: true })).toMatchObject({ deleted: { objects: 20 } });
});

describe('in the fan-out, an existing output', () => {
  const request = { source: SOURCE, destination: DESTINATION };
  const contextOf = ({ connection: { store }, settings }: World, deleteSource = false) => ({
    ...{ store, settings: { ...settings, deleteSource }, now: () => new Date(), report: () => undefined },
    ...{ hasTime: () => true, signal: new AbortController().signal },
  });

  it.each([
    ['stood before the plan is written anew', true],
    ['came to be there since is taken, and proven before raw is deleted', false],
  ])('what %s', async (_, before) => {
    await using world = await written('plain text', 'CRC-32');
    const key = outputOf(world);
    if (before) plant(world, key);
    else world.sandbox.delete(BUCKET, key);
    const plan = await planToFile(request, contextOf(world));
    if (plan.status !== 'planned') throw new Error(`It was ${plan.status}.`);
    const lines =
      world.sandbox.get(BUCKET, planFiles(plan.at).items.key)?.toString().trimEnd().split('\n') ?? [];
    const items = lines.map((line) => itemSchema.parse(JSON.parse(line)));
    const write = () => writeItems(plan, items, request, contextOf(world));
    if (before) {
      expect(await write()).toMatchObject({ counts: { written: 1, reused: 0 } });
    } else {
      await write();
      plant(world, key);
      world.sandbox.clearRequests();
      expect(await write()).toMatchObject({ counts: { written: 0, reused: 1 } });
      expect(world.requests('HeadObject', RAW)).toEqual([]);
    }
    const outcome = await commitPlan(plan, request, contextOf(world, true));
    expect(outcome).toMatchObject({
      status: 'committed',
      deleted: { objects: before ? 6 : 0, kept: { unverified: before ? 0 : 6 } },
    });
    if (before) await world.expectSound();
  });
});

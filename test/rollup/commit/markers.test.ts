import { describe, expect, it } from 'vitest';
import { parseLocation } from '../../../lambda/rollup/model/location.ts';
import { publishMarkers } from '../../../lambda/rollup/commit/markers.ts';
import { run } from '../../../lambda/run.ts';
import { REFUSED, beforeNth, fromNth, gate, matching } from '../../support/hooks.ts';
import { AGGREGATED, BUCKET, MANIFEST_KEY, RAW, type World, openWorld } from '../../support/world.ts';

const SUCCESS = `${AGGREGATED}_SUCCESS`;
const SYMLINKS = `${AGGREGATED}_symlink_format_manifest/manifest`;
const SOURCES = `${AGGREGATED}_sources/sources.jsonl.gz`;
const ASKED = { successMarker: true, symlinkManifest: true };

/** The list of outputs and the copy of the index agree with the manifest. */
function expectTrue(world: World): void {
  const { outputs, sources } = world.manifest;
  const uris = outputs.map(({ key }) => `s3://${BUCKET}/${key}\n`).join('');
  expect(world.sandbox.get(BUCKET, SYMLINKS)?.toString()).toBe(uris);
  expect(world.sandbox.get(BUCKET, SOURCES)).toEqual(world.sandbox.get(BUCKET, sources.key));
}

it('markers are not written unless asked for', async () => {
  await using world = await openWorld();
  world.putHour(3);
  await world.roll();
  await world.expectSound();
});

it('markers are written after the commit, and a run that finds them up to date writes nothing', async () => {
  await using world = await openWorld(ASKED);
  world.putHour(120);
  const { outputs } = await world.roll();
  expect(outputs).toBeGreaterThan(1);
  expect(world.sandbox.head(BUCKET, SUCCESS)).toMatchObject({ size: 0 });
  expectTrue(world);
  const written = world.requests('PutObject').map(({ key }) => key);
  expect(written.slice(-4)).toEqual([MANIFEST_KEY, SUCCESS, SYMLINKS, SOURCES]);
  world.sandbox.clearRequests();
  expect(await world.roll()).toMatchObject({ status: 'unchanged' });
  expect(world.writes()).toEqual([]);
  await world.expectSound({ leftovers: [SUCCESS, SOURCES, SYMLINKS].toSorted() });
});

it('an hour without logs has the marker of success and no list of outputs', async () => {
  await using world = await openWorld(ASKED);
  expect(await world.roll()).toMatchObject({ status: 'empty' });
  expect(world.leftovers()).toEqual([SUCCESS, SOURCES]);
  world.put('late.log', 'late\n');
  await world.roll();
  expectTrue(world);
});

it('the list of outputs is written before outputs are deleted that it replaced, also by a run that was not asked for it', async () => {
  await using world = await openWorld(ASKED);
  world.putHour(100);
  await world.roll();
  world.put('00000.log', 'changed\n');
  world.sandbox.clearRequests();
  await world.roll({ settings: { ...world.settings, successMarker: false, symlinkManifest: false } });
  const order = world.writes().map(({ operation, key }) => key ?? operation);
  expect(order.slice(-4)).toEqual([MANIFEST_KEY, SYMLINKS, SOURCES, 'DeleteObjects']);
  expectTrue(world);
});

it('a list whose write fails keeps the outputs that the old one names, and the next run writes it', async () => {
  await using world = await openWorld(ASKED);
  world.putHour(100);
  await world.roll();
  const before = world.sandbox.keys(BUCKET, `${AGGREGATED}part-`);
  world.put('00000.log', 'changed\n');
  world.sandbox.hook = fromNth(1, matching('PutObject', SYMLINKS), REFUSED);
  expect(await world.roll()).toMatchObject({
    status: 'committed',
    problems: [{ code: 'AccessDenied', key: SYMLINKS }],
  });
  expect(world.sandbox.keys(BUCKET, `${AGGREGATED}part-`)).toEqual(expect.arrayContaining(before));
  world.sandbox.hook = undefined;
  expect(await world.roll()).toMatchObject({ status: 'unchanged' });
  expectTrue(world);
});

it.each([
  ['before its list is written', matching('PutObject', SYMLINKS)],
  ['before its copy of the index is', matching('PutObject', SOURCES)],
  ['once both are', matching('HeadObject', MANIFEST_KEY)],
])('of two runs the later commit has the last word: another commits %s', async (_, when) => {
  await using world = await openWorld(ASKED);
  world.putHour(10);
  const other = world.connect();
  world.sandbox.hook = beforeNth(1, when, async () => {
    world.put('00000.log', 'changed\n');
    world.put('late.log', 'late\n');
    await world.roll({ connection: other });
  });
  expect(await world.roll()).toMatchObject({ status: 'committed' });
  expect(world.manifest.totals.objects).toBe(11);
  expectTrue(world);
});

it('a run that listed the destination before there was a list of outputs leaves no stale one behind', async () => {
  await using world = await openWorld(ASKED);
  world.putHour(10);
  const other = world.connect();
  const isCommit = matching('PutObject', MANIFEST_KEY);
  const held = gate(isCommit);
  let later: Promise<unknown> | undefined;
  world.sandbox.hook = async (request) => {
    if (matching('PutObject', SYMLINKS)(request) && later === undefined) {
      world.put('late.log', 'late\n');
      const settings = { ...world.settings, successMarker: false, symlinkManifest: false };
      later = world.roll({ connection: other, settings });
      await held.reached;
    } else if (later !== undefined && isCommit(request)) {
      await held.hook(request);
    } else if (matching('HeadObject', MANIFEST_KEY)(request)) {
      held.open();
      await later;
    }
    return undefined;
  };
  expect(await world.roll()).toMatchObject({ status: 'committed' });
  expect(world.manifest.totals.objects).toBe(11);
  expectTrue(world);
});

describe('a line break in a name', () => {
  it.each(['\n', '\r'])(
    '%j in the destination is refused before anything is read, where a list is asked for',
    async (end) => {
      await using world = await openWorld(ASKED);
      world.putHour(3);
      const source = parseLocation(`s3://${BUCKET}/${RAW}`);
      const destination = parseLocation(`s3://${BUCKET}/rolled/a${end}s3:/`);
      const roll = (symlinkManifest: boolean) =>
        run({ source, destination }, world.connection, { settings: { ...world.settings, symlinkManifest } });
      world.sandbox.clearRequests();
      await expect(roll(true)).rejects.toMatchObject({
        code: 'InvalidArgument',
        message: expect.stringContaining('has a line break') as string,
      });
      expect(world.sandbox.requests).toEqual([]);
      expect(await roll(false)).toMatchObject({ status: 'committed' });
    },
  );

  it('of an output that an earlier release committed makes no list, and the old one stays true', async () => {
    await using world = await openWorld(ASKED);
    world.putHour(3);
    await world.roll();
    const list = world.sandbox.get(BUCKET, SYMLINKS);
    const { manifest } = world;
    const [output] = manifest.outputs;
    const key = output?.key.replace('part-', 'a\nb/part-') ?? '';
    world.sandbox.put(BUCKET, key, world.sandbox.get(BUCKET, output?.key ?? '') ?? '');
    const changed = { ...manifest, outputs: [{ ...output, key }] };
    world.sandbox.put(BUCKET, MANIFEST_KEY, JSON.stringify(changed));
    await expect(
      publishMarkers(world.connection.store, parseLocation(`s3://${BUCKET}/${AGGREGATED}`), {
        success: false,
        symlinks: true,
      }),
    ).rejects.toMatchObject({ code: 'InvalidArgument', key });
    expect(world.sandbox.get(BUCKET, SYMLINKS)).toEqual(list);
  });
});

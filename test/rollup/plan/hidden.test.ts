import { describe, expect, it } from 'vitest';
import { verify } from '../../../lambda/rollup/inspect/verify.ts';
import { parseLocation } from '../../../lambda/rollup/model/location.ts';
import { run } from '../../../lambda/run.ts';
import {
  BUCKET,
  DESTINATION,
  MANIFEST_KEY,
  RAW,
  type TestBucket,
  logLines,
  openTestBucket,
  withCrc32,
} from '../../support/test-bucket.ts';

const { signal } = new AbortController();
const verified = (bucket: TestBucket, at = DESTINATION) =>
  verify(at, {
    store: bucket.connection.store,
    deep: true,
    concurrency: 4,
    progress: () => undefined,
    signal,
  });

/** What Spark, Hadoop and Delta leave behind in a prefix. */
const HIDDEN = [
  '.app.log.crc',
  '_committed_1',
  '_temporary/0/app.log',
  'web/_delta_log/0.json',
  'web/.tmp/app.log',
];

describe('hidden sources', () => {
  it('are left out, counted, no late arrivals, and kept in raw', async () => {
    await using bucket = await openTestBucket({ deleteSource: true });
    const body = logLines(100);
    const options = { headers: withCrc32(body) };
    for (const name of ['app.log', 'web/app.log', ...HIDDEN]) bucket.put(name, body, options);
    expect(await bucket.roll()).toMatchObject({
      status: 'committed',
      objects: 2,
      skipped: { empty: 0, filtered: 0, hidden: 5 },
      deleted: { objects: 2, kept: { uncommitted: 5 } },
    });
    expect(bucket.manifest).toMatchObject({ version: 2, totals: { skipped: { hidden: 5 } } });
    expect(bucket.sandbox.keys(BUCKET, RAW)).toHaveLength(5);
    await bucket.expectSound();
    expect(await bucket.roll()).toMatchObject({ status: 'unchanged' });
    expect((await verified(bucket)).problems).toEqual([]);
  });

  it('are brought back by an include, and stay committed without it', async () => {
    await using bucket = await openTestBucket({ filters: [{ include: '_committed*' }] });
    for (const name of ['app.log', ...HIDDEN]) bucket.put(name, logLines(100));
    expect(await bucket.roll()).toMatchObject({ objects: 2, skipped: { hidden: 4 } });
    const settings = { ...bucket.settings, filters: [] };
    bucket.put('late.log', logLines(100));
    bucket.put('_committed_1', logLines(200));
    expect(await bucket.roll({ settings })).toMatchObject({ objects: 3, skipped: { hidden: 4 } });
    expect(await bucket.roll({ settings, repack: true })).toMatchObject({ objects: 3 });
    await bucket.expectSound();
  });

  it('that an earlier release rolled up stay, and later ones are not missing', async () => {
    await using bucket = await openTestBucket({ filters: [{ include: '*' }] });
    for (const name of ['app.log', ...HIDDEN]) bucket.put(name, logLines(100));
    expect(await bucket.roll()).toMatchObject({ objects: 6 });
    // As an earlier release wrote it, which had no rule for hidden sources.
    const { filters, ...settings } = bucket.manifest.settings;
    expect(filters).toEqual([{ include: '*' }]);
    const manifest = { ...bucket.manifest, version: 1, settings };
    bucket.sandbox.put(BUCKET, MANIFEST_KEY, JSON.stringify(manifest));
    bucket.put('_temporary/late.log', logLines(100));
    bucket.put('_committed_1', logLines(200));
    expect((await verified(bucket)).problems).toEqual([]);
    const today = { ...bucket.settings, filters: [] };
    expect(await bucket.roll({ settings: today })).toMatchObject({ status: 'unchanged', objects: 6 });
    bucket.remove('app.log');
    expect(await bucket.roll({ settings: today, repack: true })).toMatchObject({ objects: 6 });
    await bucket.expectSound();
  });
});

it('rolling hours up into a day skips what this program wrote beside their outputs', async () => {
  await using bucket = await openTestBucket({ successMarker: true, symlinkManifest: true, codec: 'gzip' });
  const { settings, connection } = bucket;
  for (const hour of ['08', '09']) {
    bucket.sandbox.put(BUCKET, `raw/day/${hour}/app.log`, `${hour}\n`);
    const request = {
      source: parseLocation(`s3://${BUCKET}/raw/day/${hour}/`),
      destination: parseLocation(`s3://${BUCKET}/hours/day/${hour}/`),
    };
    await run(request, connection, { settings });
  }
  const own = bucket.sandbox.keys(BUCKET, 'hours/').filter((key) => !key.includes('/part-'));
  expect(own).toHaveLength(10);
  // Of a run that is under way, or was killed.
  bucket.sandbox.put(BUCKET, 'hours/day/09/_frames/part-00001-3f2a9c1b7d4e.log.gz.json.gz', 'x');
  bucket.sandbox.put(BUCKET, 'hours/day/09/_plan/3f2a9c1b7d4e0a5b.jsonl', 'x');
  const request = {
    source: parseLocation(`s3://${BUCKET}/hours/day/`),
    destination: parseLocation(`s3://${BUCKET}/days/`),
  };
  const result = await run(request, connection, {
    settings: { ...settings, codec: 'none', filters: [{ include: '*' }] },
  });
  expect(result).toMatchObject({ objects: 2, skipped: { empty: 2, own: 10 } });
  expect(result.skipped).not.toHaveProperty('hidden');
  const outputs = bucket.sandbox.keys(BUCKET, 'days/part-');
  expect(outputs.map((key) => String(bucket.sandbox.get(BUCKET, key)))).toEqual(['08\n09\n']);
  expect((await verified(bucket, request.destination)).problems).toEqual([]);
});

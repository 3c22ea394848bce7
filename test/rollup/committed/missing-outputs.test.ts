import { describe, expect, it } from 'vitest';
import { itemSchema, planFiles } from '../../../lambda/rollup/fan-out/plan-file.ts';
import type { WrittenPlan } from '../../../lambda/rollup/fan-out/plan-step.ts';
import { writeItems } from '../../../lambda/rollup/fan-out/write-step.ts';
import { rollUpByPlan } from '../../../lambda/rollup/fan-out/roll-up-by-plan.ts';
import {
  AGGREGATED,
  BUCKET,
  DESTINATION,
  MANIFEST_KEY,
  SETTINGS,
  SOURCE,
  type TestBucket,
  failureOf,
  openTestBucket,
} from '../../support/test-bucket.ts';

const REQUEST = { source: SOURCE, destination: DESTINATION };

/** Commits an hour of several outputs, and takes one of them away. Returns its key, and those of its sources. */
async function losing(bucket: TestBucket): Promise<{ output: string; sources: string[] }> {
  bucket.putHour(250);
  await bucket.roll();
  const [output] = bucket.manifest.outputs;
  if (output === undefined) throw new Error('There is no output.');
  const sources = (await bucket.sources()).filter((source) => source.output === output.key);
  bucket.sandbox.delete(BUCKET, output.key);
  return { output: output.key, sources: sources.map(({ key }) => key) };
}

describe('a committed output that is not there', () => {
  it.each([
    ['with nothing new', () => undefined],
    [
      'with a late object',
      (bucket: TestBucket) => {
        bucket.put('zz-late.log', 'late\n');
      },
    ],
  ])('%s is written anew from raw, and the run says so', async (_, disturb) => {
    await using bucket = await openTestBucket();
    const { output } = await losing(bucket);
    disturb(bucket);
    expect(await bucket.roll()).toMatchObject({
      status: 'committed',
      warnings: [{ code: 'OutputMissing', key: output, message: expect.stringContaining(output) as unknown }],
    });
    await bucket.expectSound();
    expect(bucket.manifest.outputs.map(({ key }) => key)).not.toContain(output);
    const again = await bucket.roll();
    expect(again.status).toBe('unchanged');
    expect(again).not.toHaveProperty('warnings');
  });

  it('is written anew by processes that share the work', async () => {
    await using bucket = await openTestBucket();
    const { output } = await losing(bucket);
    const { connection, settings, sandbox } = bucket;
    const context = {
      ...{ store: connection.store, settings, report: () => undefined },
      now: () => new Date(),
      hasTime: () => true,
      signal: new AbortController().signal,
    };
    const distribute = (plan: WrittenPlan) => {
      const items = sandbox.get(BUCKET, planFiles(plan.at).items.key)?.toString().trimEnd().split('\n') ?? [];
      const parsed = items.map((line) => itemSchema.parse(JSON.parse(line)));
      return writeItems(plan, parsed, REQUEST, context);
    };
    expect(await rollUpByPlan(REQUEST, context, distribute)).toMatchObject({
      status: 'committed',
      warnings: [{ code: 'OutputMissing', key: output }],
    });
    await bucket.expectSound();
  });

  it.each([false, true])(
    'whose sources left raw ends as an error that names both; repack: %s',
    async (repack) => {
      await using bucket = await openTestBucket();
      const { output, sources } = await losing(bucket);
      const [lost = ''] = sources;
      bucket.sandbox.delete(BUCKET, lost);
      const before = bucket.sandbox.get(BUCKET, MANIFEST_KEY);
      const failure = await failureOf(bucket.roll({ repack }));
      expect(failure).toMatchObject({ code: 'OutputMissing', key: output });
      expect(failure.message).toContain(lost);
      expect(bucket.sandbox.get(BUCKET, MANIFEST_KEY)).toEqual(before);
    },
  );

  it('is found by a HEAD where the store does not list it yet', async () => {
    await using bucket = await openTestBucket();
    bucket.putHour(20);
    await bucket.roll();
    bucket.sandbox.clearRequests();
    expect((await bucket.roll()).status).toBe('unchanged');
    // In an ordinary run nothing is looked at one by one.
    expect(bucket.requests('HeadObject', AGGREGATED)).toEqual([]);
  });

  it('is written anew before sources are deleted', async () => {
    await using bucket = await openTestBucket();
    await losing(bucket);
    expect(await bucket.roll({ deleteSource: true })).toMatchObject({
      status: 'committed',
      deleted: { objects: 250, complete: true },
    });
    expect(bucket.sandbox.keys(BUCKET, SOURCE.prefix)).toEqual([]);
    await bucket.expectSound();
  });

  it('with a codec is written anew too', async () => {
    await using bucket = await openTestBucket();
    bucket.putHour(30);
    const settings = { ...SETTINGS, codec: 'gzip' as const };
    await bucket.roll({ settings });
    for (const { key } of bucket.manifest.outputs) bucket.sandbox.delete(BUCKET, key);
    expect(await bucket.roll({ settings })).toMatchObject({ status: 'committed', objects: 30 });
    await bucket.expectSound();
  });
});

it('an output that another run has just replaced is not missing', async () => {
  await using bucket = await openTestBucket();
  bucket.putHour(30);
  await bucket.roll();
  const other = bucket.connect();
  let done = false;
  bucket.sandbox.hook = async (request) => {
    if (request.operation === 'ListObjectsV2' && request.prefix === AGGREGATED && !done) {
      done = true;
      await bucket.roll({ repack: true, connection: other });
    }
    return undefined;
  };
  const result = await bucket.roll();
  expect(result.status).toBe('unchanged');
  expect(result).not.toHaveProperty('warnings');
});

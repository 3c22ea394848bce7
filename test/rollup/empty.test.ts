import { describe, expect, it } from 'vitest';
import { planAll } from '../../lambda/rollup/plan/list-and-plan.ts';
import { formatLocation, parseLocation } from '../../lambda/rollup/model/location.ts';
import { type RunResult, run } from '../../lambda/run.ts';
import type { Settings } from '../../lambda/settings/table.ts';
import {
  AGGREGATED,
  BUCKET,
  DESTINATION,
  type TestBucket,
  failureOf,
  openTestBucket,
} from '../support/test-bucket.ts';

const DAY = 'raw/checkout/20261121/';

/** Rolls up a prefix of this bucket. */
function roll(bucket: TestBucket, prefix: string, settings: Partial<Settings> = {}): Promise<RunResult> {
  const request = { source: { bucket: BUCKET, prefix }, destination: DESTINATION };
  return run(request, bucket.connection, { settings: { ...bucket.settings, ...settings } });
}

describe('a source under which nothing is listed', () => {
  it.each<[string, string[], string, string]>([
    [
      'is committed with a warning that names what begins with it but for its slash',
      [`${DAY}08-aa`, `${DAY}08-ab`, `${DAY}080`, `${DAY}09/a`],
      `${DAY}08/`,
      `; 3 keys begin with s3://logs/${DAY}08: ${DAY}08-aa, ${DAY}08-ab, ${DAY}080.`,
    ],
    [
      'in another case',
      ['raw/Checkout/20261121/08/a.log'],
      `${DAY}08/`,
      '; 1 key begins with s3://logs/raw/Checkout/20261121/08/: raw/Checkout/20261121/08/a.log.',
    ],
    [
      'in another case, in the last segment',
      ['raw/App/a.log', 'raw/b/a.log'],
      'raw/app/',
      '; 1 key begins with s3://logs/raw/App/: raw/App/a.log.',
    ],
    [
      'with a blank behind it',
      [1, 2, 3, 4, 5].map((i) => `raw/app /${i}`),
      'raw/app/',
      '; 5 keys begin with s3://logs/raw/app: raw/app /1, raw/app /2, raw/app /3, and 2 more.',
    ],
    [
      'with a blank too many',
      ['raw/app/1'],
      'raw/app /',
      '; 1 key begins with s3://logs/raw/app/: raw/app/1.',
    ],
    [
      'with a blank before it, at the top of the bucket',
      ['raw/app/1'],
      ' raw/app/',
      '; 1 key begins with s3://logs/raw/app/: raw/app/1.',
    ],
    [
      'that ends inside a name, in another case',
      ['cf/E2EXAMPLE.2026-11-21-08.a.gz'],
      'cf/e2example.2026-11-21-08',
      '; 1 key begins with s3://logs/cf/E2EXAMPLE.2026-11-21-08: cf/E2EXAMPLE.2026-11-21-08.a.gz.',
    ],
    ['beside other hours', [`${DAY}07/a.log`, `${DAY}09/a.log`], `${DAY}08/`, '.'],
    ['in a bucket without objects', [], `${DAY}08/`, '.'],
  ])('%s', async (_, keys, prefix, hint) => {
    await using bucket = await openTestBucket();
    for (const key of keys) bucket.sandbox.put(BUCKET, key, 'text\n');
    bucket.sandbox.clearRequests();
    const result = await roll(bucket, prefix);
    const message = `No objects under ${formatLocation({ bucket: BUCKET, prefix })}${hint}`;
    expect(result).toMatchObject({ status: 'empty', warnings: [{ code: 'NoObjects', message }] });
    // Two of the destination, one of its uploads, and one of the source.
    const lists = bucket.sandbox.requests.filter(({ operation }) => operation.startsWith('List'));
    expect(lists.length - 4).toBeLessThanOrEqual(6);
    expect(result.requests.list).toBe(lists.length);
    expect(await roll(bucket, prefix)).toMatchObject({ status: 'unchanged', warnings: [{ message }] });
  });

  it('has empty objects, as a folder that a console made', async () => {
    await using bucket = await openTestBucket();
    bucket.sandbox.put(BUCKET, `${DAY}08/`, '');
    bucket.sandbox.put(BUCKET, `${DAY}08-a`, 'text\n');
    const message = `No objects under s3://logs/${DAY}08/ but 1 empty one; 1 key begins with s3://logs/${DAY}08: ${DAY}08-a.`;
    expect(await roll(bucket, `${DAY}08/`)).toMatchObject({ status: 'empty', warnings: [{ message }] });
  });

  it('is committed also where the look around it is refused', async () => {
    await using bucket = await openTestBucket();
    bucket.sandbox.put(BUCKET, `${DAY}08-a`, 'text\n');
    bucket.sandbox.hook = ({ operation, prefix = '' }) =>
      operation === 'ListObjectsV2' && prefix !== `${DAY}08/` && prefix !== AGGREGATED
        ? { kind: 'error', status: 403, code: 'AccessDenied' }
        : undefined;
    const message = `No objects under s3://logs/${DAY}08/.`;
    expect(await roll(bucket, `${DAY}08/`)).toMatchObject({ status: 'empty', warnings: [{ message }] });
  });

  it('is no matter of warning once sources of it are committed', async () => {
    await using bucket = await openTestBucket();
    bucket.sandbox.put(BUCKET, `${DAY}08/a.log`, 'text\n');
    expect(await roll(bucket, `${DAY}08/`)).not.toHaveProperty('warnings');
    bucket.sandbox.delete(BUCKET, `${DAY}08/a.log`);
    const settings = { failOnEmpty: true };
    const again = await roll(bucket, `${DAY}08/`, settings);
    expect(again).toMatchObject({ status: 'unchanged', objects: 1 });
    expect(again).not.toHaveProperty('warnings');
  });
});

describe('a source of which all is left out', () => {
  it.each<[string, Partial<Settings>, string[], string]>([
    [
      'by filters',
      { filters: [{ exclude: '*.log' }, { exclude: 'b/*' }] },
      ['a.log', 'b/1', 'b/2', 'c.log'],
      `All 4 objects under s3://logs/raw/ are left out: raw/a.log (exclude "*.log"), raw/b/1 (exclude "b/*"), raw/b/2 (exclude "b/*"), and 1 more.`,
    ],
    [
      'by groupBy',
      { groupBy: '^(x)/' },
      ['a.log'],
      'The one object under s3://logs/raw/ is left out: raw/a.log (groupBy captures nothing in it).',
    ],
    [
      'by its names',
      {},
      ['_a.log', '08/_manifest.json'],
      'All 2 objects under s3://logs/raw/ are left out: raw/08/_manifest.json (written by this program), raw/_a.log (hidden: a name in it begins with _ or .).',
    ],
  ])('%s is committed with a warning', async (_, settings, names, message) => {
    await using bucket = await openTestBucket();
    for (const name of names) bucket.sandbox.put(BUCKET, `raw/${name}`, 'text\n');
    const key = `raw/${names.toSorted()[0] ?? ''}`;
    const warnings = [{ code: 'AllLeftOut', message, key }];
    expect(await roll(bucket, 'raw/', settings)).toMatchObject({ status: 'empty', warnings });
  });
});

describe('failOnEmpty', () => {
  it.each<[string, Partial<Settings>, string[]]>([
    ['nothing is listed', {}, []],
    ['all is left out', { filters: [{ exclude: '*' }] }, ['a.log']],
    ['all is empty', {}, ['empty.log']],
  ])('ends a run and a plan with NoSources, and commits nothing, where %s', async (_, settings, names) => {
    await using bucket = await openTestBucket({ failOnEmpty: true, ...settings });
    for (const name of names) bucket.put(name, name === 'a.log' ? 'text\n' : '');
    const failure = await failureOf(bucket.roll());
    expect(failure).toMatchObject({ code: 'NoSources' });
    expect(failure.message).toMatch(
      /^(No|The one) objects? under .* Nothing was committed \(failOnEmpty\)\.$/,
    );
    expect(bucket.stored()).toEqual([]);
    const { connection } = bucket;
    const context = {
      ...connection,
      settings: bucket.settings,
      signal: new AbortController().signal,
      now: () => new Date(),
      report: () => undefined,
    };
    const source = parseLocation(`s3://${BUCKET}/raw/app/20261121/08/`);
    expect(await failureOf(planAll({ source, destination: DESTINATION }, context))).toMatchObject({
      code: 'NoSources',
    });
    bucket.put('b.txt', 'text\n');
    expect(await bucket.roll({ settings: { ...bucket.settings, filters: [] } })).toMatchObject({
      status: 'committed',
    });
  });
});

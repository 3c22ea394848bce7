import { CreateMultipartUploadCommand, S3Client } from '@aws-sdk/client-s3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { formatForecast } from '../../bin/commands/plan.ts';
import type { Forecast } from '../../bin/output/forecast.ts';
import { type Sandbox, startSandbox } from '../../sandbox/sandbox.ts';
import { withCrc32 } from '../support/test-bucket.ts';
import { BUCKET, DESTINATION, SOURCE, cli, json, lines, parseObject } from './command-line.ts';
import { gzipSync } from 'node:zlib';

const MiB = 2 ** 20;
const BOTH = [SOURCE, DESTINATION];
const SMALL = ['--target-size', '5MiB', '--part-size', '5MiB'];

let sandbox: Sandbox;
beforeEach(async () => {
  sandbox = await startSandbox({ buckets: [BUCKET] });
});
afterEach(() => sandbox.close());

/** Outputs in one part and in several, one that S3 copies, two kinds, and more than a page of small ones. */
function fill(small = 30): void {
  const put = (name: string, body: string | Uint8Array): void => {
    sandbox.put(BUCKET, `raw/app/${name}`, body, { headers: withCrc32(body) });
  };
  for (let i = 0; i < 9; i++) put(`b${i}.log`, lines(1.2 * MiB, String(i)));
  for (let i = 0; i < small; i++) put(`c${i}.json.gz`, gzipSync(lines(100)));
  put('d.log', lines(6 * MiB));
  put('e.log', '');
}

/** The forecast of plan, the result of the run after it, and the requests that the sandbox counted. */
async function planAndRun(...options: string[]) {
  const before = sandbox.keys(BUCKET).map((key) => [key, sandbox.head(BUCKET, key)]);
  sandbox.clearRequests();
  const plan = await json(sandbox, ['plan', ...BOTH, ...SMALL, ...options]);
  const reads = new Set(['ListObjectsV2', 'ListMultipartUploads', 'GetObject']);
  expect(sandbox.requests.filter(({ operation }) => !reads.has(operation))).toEqual([]);
  expect(sandbox.keys(BUCKET).map((key) => [key, sandbox.head(BUCKET, key)])).toEqual(before);
  // Few downloads at once, so that none waits long enough on a busy machine to be tried again.
  const run = await json(sandbox, ['run', ...BOTH, ...SMALL, '--concurrency', '8', ...options]);
  return { plan, run };
}

function actions(plan: Record<string, unknown>): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { action } of plan['outputs'] as { action: string }[])
    counts[action] = (counts[action] ?? 0) + 1;
  return counts;
}

describe('the outputs and requests that plan forecasts are those of run', () => {
  it('for a first run', async () => {
    fill(1_050);
    const { plan, run } = await planAndRun();
    expect(plan).toMatchObject({ expected: 'committed', objects: 1_060, skipped: { empty: 1, filtered: 0 } });
    expect(actions(plan)).toEqual({ write: 3, copy: 1 });
    expect({ ...(plan['requests'] as object), retries: 0 }).toEqual(run['requests']);
    expect(run).toMatchObject({ status: 'committed', written: 3, copied: 1, bytes: plan['bytes'] });
    const keys = (plan['outputs'] as { key: string }[]).map(({ key }) => key);
    expect(sandbox.keys(BUCKET, 'rolled/app/part-')).toEqual(keys);
  });

  it('for an hour without objects', async () => {
    sandbox.put(BUCKET, 'raw/other/a.log', 'text');
    const ended = (name: string) => cli(sandbox, [name, ...BOTH, '--json', '--no-progress']);
    const [plan, run] = [await ended('plan'), await ended('run')].map(({ stdout }) => parseObject(stdout));
    if (plan === undefined || run === undefined) throw new Error('Nothing was printed.');
    expect(plan).toMatchObject({ expected: 'empty', outputs: [], sizes: [] });
    expect({ ...(plan['requests'] as object), retries: 0 }).toEqual(run['requests']);
    expect(run['status']).toBe('empty');
  });

  it.each<
    [name: string, change: () => void, options: string[], expected: string, actions: Record<string, number>]
  >([
    ['nothing new', () => undefined, [], 'unchanged', { sealed: 4 }],
    [
      'a late object',
      () => sandbox.put(BUCKET, 'raw/app/a.log', 'late\n'),
      [],
      'committed',
      { sealed: 4, write: 1 },
    ],
    [
      'a source changed in place',
      () => sandbox.put(BUCKET, 'raw/app/b1.log', lines(1.2 * MiB, 'z')),
      [],
      'committed',
      { sealed: 3, write: 1 },
    ],
    ['a repack', () => undefined, ['--repack'], 'committed', { write: 3, copy: 1 }],
    [
      'a leftover that is old enough to be swept',
      () => sandbox.put(BUCKET, 'rolled/app/part-00009-0123456789ab.log', 'x', { lastModified: new Date(0) }),
      [],
      'unchanged',
      { sealed: 4 },
    ],
  ])('for a second run with %s', async (_, change, options, expected, expectedActions) => {
    fill();
    await json(sandbox, ['run', ...BOTH, ...SMALL]);
    change();
    const { plan, run } = await planAndRun(...options);
    expect({ expected: plan['expected'], actions: actions(plan) }).toEqual({
      expected,
      actions: expectedActions,
    });
    expect({ ...(plan['requests'] as object), retries: 0 }).toEqual(run['requests']);
    expect(run['status']).toBe(expected);
  });

  it('for a run after one that did not come to its commit, with an upload open', async () => {
    fill();
    await json(sandbox, ['run', ...BOTH, ...SMALL]);
    for (const key of sandbox.keys(BUCKET, 'rolled/app/_')) sandbox.delete(BUCKET, key);
    const [first = '', second = ''] = sandbox.keys(BUCKET, 'rolled/app/part-');
    sandbox.delete(BUCKET, first);
    sandbox.delete(BUCKET, second);
    const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
    const client = new S3Client({
      endpoint: sandbox.endpoint,
      region: 'us-east-1',
      forcePathStyle: true,
      credentials,
    });
    await client.send(new CreateMultipartUploadCommand({ Bucket: BUCKET, Key: first }));
    client.destroy();

    const { plan, run } = await planAndRun();
    expect(actions(plan)).toEqual({ write: 2, reuse: 2 });
    expect({ ...(plan['requests'] as object), retries: 0 }).toEqual(run['requests']);
    expect(run).toMatchObject({ status: 'committed', written: 2, reused: 2 });
    expect(sandbox.openUploads(BUCKET)).toEqual([]);
  });
});

it('plan says what the requests cost, from one table of prices', async () => {
  fill();
  const { requests, cost } = await json(sandbox, ['plan', ...BOTH, ...SMALL]);
  const { list, get, put, copy } = requests as Record<'list' | 'get' | 'put' | 'copy', number>;
  const usd = ((list + put + copy) * 0.005 + get * 0.0004) / 1_000;
  expect(cost).toEqual({ usd: Number(usd.toFixed(6)), prices: 'S3 Standard in us-east-1, 2026-11' });
});

it('plan shows tables that fit a terminal', async () => {
  fill(1_050);
  const { code, stdout, stderr } = await cli(sandbox, ['plan', ...BOTH, ...SMALL]);
  expect(code).toBe(0);
  expect(stderr).toBe('listing: 1,000 objects listed\ndone: 1,061 objects listed\n');
  expect(stdout).toMatch(/^a run would write 3 outputs, copy 1 output and commit\n/);
  expect(stdout).toMatch(/ {2}0 {2}part-00000-[0-9a-f]{12}\.log +5 +6\.0 MiB {2}write\n/);
  expect(stdout).toMatch(/\n +1 MiB {2}to 2 MiB +9 {2}▎\n/);
  expect(stdout).toMatch(/\n {2}total +\$0\.\d+\n$/);
  for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
});

it.each<[string, string[], string | undefined]>([
  ['as they are', [], 'raw/app/a.json.gz'],
  ['with a codec', ['--codec', 'gzip'], undefined],
  ['without an added newline', ['--newline', 'none'], undefined],
])('plan says where compressed texts would run together: %s', async (_, options, key) => {
  // As CloudTrail and Firehose write them.
  for (const name of ['a', 'b']) sandbox.put(BUCKET, `raw/app/${name}.json.gz`, gzipSync('{"Records":[]}'));
  const { code, stdout, stderr } = await cli(sandbox, [
    ...['plan', ...BOTH, '--json', '--no-progress'],
    ...options,
  ]);
  expect(code).toBe(0);
  const { warnings } = parseObject(stdout);
  if (key === undefined) expect([warnings, stderr]).toEqual([undefined, '']);
  else {
    expect(warnings).toMatchObject([{ code: 'LastNewlineMissing', key }]);
    expect(stderr).toContain('Use --codec gzip.');
  }
});

it.each<[string, Partial<Forecast>, string]>([
  ['an empty hour', { expected: 'empty' }, 'nothing to roll up: a run would commit an empty rollup'],
  ['no change', { expected: 'unchanged' }, 'nothing to do: all of it is rolled up already'],
  [
    'leftovers',
    { expected: 'unchanged', requests: { list: 1, get: 0, put: 1, copy: 0, delete: 1 } },
    'nothing to do: all of it is rolled up already, but for leftovers of other runs to delete',
  ],
  [
    'a run that was cut short',
    {
      outputs: (['reuse', 'reuse', 'write', 'sealed'] as const).map((action, index) => ({
        ...{ index, key: `part-${index}`, action, sources: 1, size: 1 },
      })),
    },
    'a run would write 1 output, reuse 2 outputs and commit',
  ],
])('plan begins with a sentence about the run: %s', (_, plan, sentence) => {
  const lines = formatForecast({
    expected: 'committed',
    source: SOURCE,
    destination: DESTINATION,
    objects: 0,
    bytes: 0,
    skipped: { empty: 0, filtered: 0 },
    filtered: [],
    outputs: [],
    sizes: [],
    requests: { list: 1, get: 0, put: 0, copy: 0, delete: 0 },
    cost: { usd: 0, prices: 'somewhere' },
    ...plan,
  });
  expect(lines[0]).toBe(sentence);
});

it('plan shortens a long table of outputs', () => {
  const outputs = Array.from({ length: 400 }, (_, index) => ({
    ...{ index, key: `rolled/app/part-${index}`, action: 'write' as const, sources: 60, size: 32 * MiB },
  }));
  const lines = formatForecast({
    expected: 'committed',
    source: SOURCE,
    destination: DESTINATION,
    objects: 24_000,
    bytes: 400 * 32 * MiB,
    skipped: { empty: 0, filtered: 0 },
    filtered: [],
    outputs,
    sizes: [],
    requests: { list: 31, get: 24_001, put: 2_402, copy: 0, delete: 0 },
    cost: { usd: 0.0218, prices: 'somewhere' },
  });
  expect(lines.join('\n').match(/part-\d+/g)).toHaveLength(15);
  expect(lines.join('\n')).toMatch(/… 385 more/);
});

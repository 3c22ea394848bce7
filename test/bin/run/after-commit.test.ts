import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Sandbox, startSandbox } from '../../../sandbox/sandbox.ts';
import { BUCKET, DESTINATION, SOURCE, json, lines } from '../command-line.ts';

const BOTH = [SOURCE, DESTINATION, '--target-size', '5MiB', '--part-size', '5MiB'];

let sandbox: Sandbox;
beforeEach(async () => {
  sandbox = await startSandbox({ buckets: [BUCKET] });
  for (let i = 0; i < 9; i++) sandbox.put(BUCKET, `raw/app/${i}.log`, lines(1.2 * 2 ** 20, String(i)));
});
afterEach(() => sandbox.close());

it.each([
  ['the markers', ['--success-marker', '--symlink-manifest']],
  ['deleted sources', ['--delete-source']],
])(
  'what plan says of requests is what run makes, %s included, on a first run and on a second',
  async (_, flags) => {
    for (const status of ['committed', 'unchanged']) {
      const plan = await json(sandbox, ['plan', ...BOTH, ...flags]);
      const run = await json(sandbox, ['run', ...BOTH, ...flags]);
      expect(run).toMatchObject({ status });
      expect({ ...(plan['requests'] as object), retries: 0 }).toEqual(run['requests']);
      // A second run cannot be forecast once sources are deleted.
      if (flags.includes('--delete-source')) break;
    }
  },
);

it('--symlink-manifest lists every output, and copies the index of sources to a name that readers see', async () => {
  await json(sandbox, ['run', ...BOTH, '--success-marker', '--symlink-manifest']);
  const keys = sandbox.keys(BUCKET, 'rolled/app/part-');
  expect(keys.length).toBeGreaterThan(1);
  const list = sandbox.get(BUCKET, 'rolled/app/_symlink_format_manifest/manifest')?.toString();
  expect(list).toBe(keys.map((key) => `s3://${BUCKET}/${key}\n`).join(''));
  const [index = ''] = sandbox.keys(BUCKET, 'rolled/app/_sources-');
  expect(sandbox.get(BUCKET, 'rolled/app/_sources/sources.jsonl.gz')).toEqual(sandbox.get(BUCKET, index));
  expect(sandbox.get(BUCKET, 'rolled/app/_SUCCESS')).toHaveLength(0);
  expect(await json(sandbox, ['verify', DESTINATION])).toMatchObject({ status: 'ok', unnamed: 0 });
});

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Sandbox, startSandbox } from '../../sandbox/sandbox.ts';
import { BUCKET, DESTINATION, SOURCE, cli, environment, json, lines, runInProcess } from './command-line.ts';

let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = await startSandbox({ buckets: [BUCKET] });
  for (const service of ['checkout', 'search', 'audit']) {
    for (const level of ['error', 'info'])
      sandbox.put(BUCKET, `raw/app/${service}/${level}-1.log`, lines(300, `${service}-${level} `));
    sandbox.put(BUCKET, `raw/app/${service}/core.tmp`, lines(100));
  }
  for (let i = 0; i < 12; i++) sandbox.put(BUCKET, `raw/app/zz/${String(i).padStart(2, '0')}.log`, 'z');
});
afterAll(() => sandbox.close());

// The last match across both flags decides: every .log, without those of zz, but with zz/07.
const SELECTION = ['--exclude', '*', '--include=*.log', '--exclude', 'zz/*']
  .concat(['--include', 'zz/0[7-7].log'])
  .concat(['--group-by', '^([^/]+)/(\\w+)']);

it('plan names the sources that are filtered out; run, verify, extract and status leave them out', async () => {
  const plan = await json(sandbox, ['plan', SOURCE, DESTINATION, ...SELECTION]);
  const keys = (plan['outputs'] as { key: string }[]).map(({ key }) => key);
  expect(keys.map((key) => key.replace(/part-.*/, '…'))).toEqual(
    [
      'audit/error',
      'audit/info',
      'checkout/error',
      'checkout/info',
      'search/error',
      'search/info',
      'zz/07',
    ].map((folder) => `rolled/app/${folder}/…`),
  );
  const zz = [0, 1, 2, 3, 4, 5, 6].map((i) => `raw/app/zz/0${i}.log`);
  const tmp = ['audit', 'checkout', 'search'].map((service) => `raw/app/${service}/core.tmp`);
  expect(plan).toMatchObject({ objects: 7, skipped: { empty: 0, filtered: 14 }, filtered: [...tmp, ...zz] });
  const { stdout } = await cli(sandbox, ['plan', SOURCE, DESTINATION, ...SELECTION]);
  expect(stdout).toContain('(0 empty, 14 filtered skipped)');
  expect(stdout).toMatch(/\n +0 +audit\/error\/part-00000-\S+\.log /);
  expect(stdout).toContain('\n  raw/app/audit/core.tmp\n');
  expect(stdout).toContain('\n  raw/app/zz/06.log\n  … 4 more\n');

  const run = await json(sandbox, ['run', SOURCE, DESTINATION, ...SELECTION]);
  expect(run).toMatchObject({ status: 'committed', outputs: 7, skipped: { empty: 0, filtered: 14 } });
  expect(run['requests']).toEqual({ ...(plan['requests'] as object), retries: 0 });
  expect(sandbox.keys(BUCKET, 'rolled/app/').filter((key) => key.includes('/part-'))).toEqual(keys.sort());
  expect(await json(sandbox, ['verify', DESTINATION, '--deep'])).toMatchObject({ status: 'ok', unnamed: 0 });
  const extracted = await cli(sandbox, ['extract', DESTINATION, 'search/info-1.log']);
  expect(extracted.stdout).toBe(lines(300, 'search-info '));
  const hour = ['--from', '2026-11-21T08', '--to', '2026-11-21T08'];
  const status = ['status', '--source', SOURCE, '--destination', DESTINATION, ...hour];
  expect(await json(sandbox, status)).toMatchObject({ status: 'complete', hours: [{ late: 0, outputs: 7 }] });
});

it('bad filters and groups are refused under their flags, together with all other problems', async () => {
  const wrong = ['--exclude', '', '--include', '*', '--group-by', '([', '--concurrency', '0'];
  const { code, stderr } = await cli(sandbox, ['plan', SOURCE, DESTINATION, ...wrong]);
  expect(code).toBe(2);
  expect(stderr).toContain('--exclude must not be empty');
  expect(stderr).toContain('--group-by must be a regular expression of JavaScript, not "(["');
  expect(stderr).toContain('--concurrency must be a whole number');
  const { stderr: without } = await cli(sandbox, ['run', SOURCE, DESTINATION, '--group-by', '^[^/]+/']);
  expect(without).toContain('--group-by must have a capture group, such as \'^([^/]+)/\', not "^[^/]+/"');
});

describe('a source of which nothing, or not all, is a log', () => {
  let empty: Sandbox;
  beforeEach(async () => {
    empty = await startSandbox({ buckets: [BUCKET] });
  });
  afterEach(() => empty.close());

  const command = (...args: string[]) =>
    runInProcess([...args, '--no-progress'], environment(empty.endpoint));
  const BOTH = [SOURCE, DESTINATION];
  const MESSAGE = 'No objects under s3://logs/raw/app/; 1 key begins with s3://logs/raw/app: raw/app-1.log.';

  it.each(['run', 'plan'])('%s warns of an empty source on stderr, and in its JSON', async (name) => {
    empty.put(BUCKET, 'raw/app-1.log', 'text\n');
    const table = await command(name, ...BOTH);
    expect(table).toMatchObject({ code: 0, stderr: `warning: ${MESSAGE} (NoObjects)\n` });
    const { code, stdout, stderr } = await command(name, ...BOTH, '--json');
    const warning = { code: 'NoObjects', message: MESSAGE, key: 'raw/app-1.log' };
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ warnings: [warning] });
    expect(JSON.parse(stderr)).toEqual({ warning });
  });

  it.each(['run', 'plan'])('%s --fail-on-empty ends with 1, and commits nothing', async (name) => {
    empty.put(BUCKET, 'raw/app/_SUCCESS', 'x');
    const { code, stdout, stderr } = await command(name, ...BOTH, '--fail-on-empty', '--json');
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(JSON.parse(stderr)).toMatchObject({ error: { code: 'NoSources', key: 'raw/app/_SUCCESS' } });
    expect(empty.keys(BUCKET, 'rolled/')).toEqual([]);
    expect((await command('run', ...BOTH, '--fail-on-empty', '--workers', '2')).code).toBe(1);
    expect(empty.keys(BUCKET, 'rolled/')).toEqual([]);
  });

  it('run and plan show what is hidden and this program’s own, and warn of nothing', async () => {
    for (const name of ['a.log', '_tmp/a.log', '.b.crc', '08/_manifest.json', 'dir/'])
      empty.put(BUCKET, `raw/app/${name}`, name.endsWith('/') ? '' : 'text\n');
    for (const name of ['plan', 'run']) {
      const { stdout, stderr } = await command(name, ...BOTH);
      expect(stdout).toContain('objects      1, 5 B (1 empty, 2 hidden, 1 own skipped)');
      expect(stderr).toBe('');
    }
    expect(JSON.parse((await command('plan', ...BOTH, '--json')).stdout)).toMatchObject({
      skipped: { empty: 1, filtered: 0, hidden: 2, own: 1 },
    });
  });
});

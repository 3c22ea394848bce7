import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Sandbox, startSandbox } from '../../sandbox/sandbox.ts';
import { BUCKET, DESTINATION, SOURCE, environment, runInProcess } from './command-line.ts';

let sandbox: Sandbox;

beforeEach(async () => {
  sandbox = await startSandbox({ buckets: [BUCKET] });
});
afterEach(() => sandbox.close());

const command = (...args: string[]) =>
  runInProcess([...args, '--no-progress'], environment(sandbox.endpoint));
const BOTH = [SOURCE, DESTINATION];
const MESSAGE = 'No objects under s3://logs/raw/app/; 1 key begins with s3://logs/raw/app: raw/app-1.log.';

it.each(['run', 'plan'])('%s warns of an empty source on stderr, and in its JSON', async (name) => {
  sandbox.put(BUCKET, 'raw/app-1.log', 'text\n');
  const table = await command(name, ...BOTH);
  expect(table).toMatchObject({ code: 0, stderr: `warning: ${MESSAGE} (NoObjects)\n` });
  const { code, stdout, stderr } = await command(name, ...BOTH, '--json');
  const warning = { code: 'NoObjects', message: MESSAGE, key: 'raw/app-1.log' };
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ warnings: [warning] });
  expect(JSON.parse(stderr)).toEqual({ warning });
});

it.each(['run', 'plan'])('%s --fail-on-empty ends with 1, and commits nothing', async (name) => {
  sandbox.put(BUCKET, 'raw/app/_SUCCESS', 'x');
  const { code, stdout, stderr } = await command(name, ...BOTH, '--fail-on-empty', '--json');
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(JSON.parse(stderr)).toMatchObject({ error: { code: 'NoSources', key: 'raw/app/_SUCCESS' } });
  expect(sandbox.keys(BUCKET, 'rolled/')).toEqual([]);
  expect((await command('run', ...BOTH, '--fail-on-empty', '--workers', '2')).code).toBe(1);
  expect(sandbox.keys(BUCKET, 'rolled/')).toEqual([]);
});

it('run and plan show what is hidden and this program’s own, and warn of nothing', async () => {
  for (const name of ['a.log', '_tmp/a.log', '.b.crc', '08/_manifest.json', 'dir/'])
    sandbox.put(BUCKET, `raw/app/${name}`, name.endsWith('/') ? '' : 'text\n');
  for (const name of ['plan', 'run']) {
    const { stdout, stderr } = await command(name, ...BOTH);
    expect(stdout).toContain('objects      1, 5 B (1 empty, 2 hidden, 1 own skipped)');
    expect(stderr).toBe('');
  }
  expect(JSON.parse((await command('plan', ...BOTH, '--json')).stdout)).toMatchObject({
    skipped: { empty: 1, filtered: 0, hidden: 2, own: 1 },
  });
});

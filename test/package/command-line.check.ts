import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { type Sandbox, startSandbox } from '../../sandbox/sandbox.ts';
import { awsEnvironment } from '../bin/command-line.ts';
import { exec, npmInstall, outsideEnv } from './outside.ts';

const BUCKET = 'application-logs';
const SOURCE = `s3://${BUCKET}/raw/checkout/{yyyy}{MM}{dd}/{HH}/`;
const DESTINATION = `s3://${BUCKET}/aggregated/checkout/{yyyy}{MM}{dd}/{HH}/`;
const HOUR = ['--hour', '2026-11-21T08'];

const installed = join(inject('outside'), 'command-line');
const home = join(inject('outside'), 'home');
let sandbox: Sandbox;

beforeAll(async () => {
  mkdirSync(installed);
  mkdirSync(home);
  await npmInstall(installed, [inject('tarball')]);
});

it('brings nothing along', () => {
  expect(readdirSync(join(installed, 'node_modules')).filter((name) => !name.startsWith('.'))).toEqual([
    's3-log-rollup',
  ]);
});

it('tells on an older Node which one it needs', async () => {
  const folder = join(inject('outside'), 'node-old');
  mkdirSync(folder);
  await npmInstall(folder, ['node@20.20.2']);
  const program = join(installed, 'node_modules', '.bin', 's3-rollup');
  const env = outsideEnv(join(folder, 'node_modules', 'node', 'bin'), { HOME: home });
  const { stdout, stderr } = await exec(program, ['--help'], { cwd: home, env, codes: [1] });
  expect(stdout).toBe('');
  expect(stderr).toBe(
    'error: s3-rollup needs Node 22.21 or 24.5, or later: this is 20.20.2. Node 23 will not do.\n',
  );
});

describe.each(Object.entries(inject('nodes')))('s3-rollup on Node %s', (version, node) => {
  const program = join(installed, 'node_modules', '.bin', 's3-rollup');
  const env = () => outsideEnv(node, { HOME: home, ...awsEnvironment(sandbox.endpoint) });
  const run = (...args: string[]) => exec(program, args, { cwd: home, env: env() });

  beforeAll(async () => {
    sandbox = await startSandbox({ buckets: [BUCKET] });
    for (let i = 0; i < 40; i++)
      sandbox.put(BUCKET, `raw/checkout/20261121/08/app-${String(i).padStart(3, '0')}.log`, line(i));
  });
  afterAll(async () => {
    await sandbox.close();
  });

  it('is that version of Node', async () => {
    expect((await exec('node', ['--version'], { cwd: home, env: env() })).stdout).toBe(`v${version}\n`);
  });

  it.each([
    ['by one process', [], 'committed'],
    ['again, where nothing is left to do', [], 'unchanged'],
    ['afresh, by two workers, with zstd', ['--workers', '2', '--repack', '--codec', 'zstd'], 'committed'],
  ])('rolls an hour up %s', async (_, more, status) => {
    const { stdout } = await run('run', ...HOUR, SOURCE, DESTINATION, '--json', ...more);
    expect(JSON.parse(stdout)).toMatchObject({ status, objects: 40 });
    const verified = await run('verify', '--deep', ...HOUR, DESTINATION, '--json');
    expect(JSON.parse(verified.stdout)).toMatchObject({ status: 'ok', objects: 40 });
  });

  it('gives an original object back', async () => {
    await run('extract', ...HOUR, DESTINATION, 'app-007.log', '--output', `${version}.log`);
    expect(readFileSync(join(home, `${version}.log`), 'utf8')).toBe(line(7));
  });

  it('prints its help within 0.15 s of processor time', () => {
    // The best of five: other work on the machine makes a processor slower, never faster.
    const measured = Array.from({ length: 5 }, () => {
      const timed = 'TIMEFORMAT="%U %S"; time "$0" --help >/dev/null';
      const output = execFileSync('bash', ['-c', `{ ${timed}; } 2>&1`, program], {
        env: env(),
        encoding: 'utf8',
      });
      return output
        .trim()
        .split(' ')
        .reduce((sum, seconds) => sum + Number(seconds), 0);
    });
    expect(Math.min(...measured)).toBeLessThan(0.15);
  });
});

function line(i: number): string {
  return `2026-11-21T08:00:00Z checkout ${i} ${'x'.repeat(200_000)}\n`;
}

import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Sandbox, startSandbox } from '../../sandbox/sandbox.ts';
import { BUCKET, DESTINATION, SOURCE, cli, json, lines, parseObject } from './command-line.ts';

let sandbox: Sandbox;
// One rollup for all tests. Later tests add objects to raw.
beforeAll(async () => {
  sandbox = await startSandbox({ buckets: [BUCKET] });
  for (const name of ['1', '2', '3']) sandbox.put(BUCKET, `raw/app/${name}.log`, lines(2_000, name));
  await json(sandbox, ['run', SOURCE, DESTINATION]);
});
afterAll(() => sandbox.close());

it.each([
  ['the listings', []],
  ['every byte', ['--deep']],
  ['every byte, one output at a time', ['--deep', '--concurrency', '1']],
])('verify compares %s', async (_, options) => {
  expect(await json(sandbox, ['verify', DESTINATION, ...options])).toEqual({
    status: 'ok',
    source: SOURCE,
    destination: DESTINATION,
    deep: options.includes('--deep'),
    objects: 3,
    bytes: 6_000,
    outputs: 1,
    outputBytes: 6_000,
    expired: 0,
    unnamed: 0,
    problems: [],
  });
});

it('verify writes nothing', async () => {
  sandbox.clearRequests();
  await json(sandbox, ['verify', DESTINATION, '--deep']);
  const operations = new Set(sandbox.requests.map(({ operation }) => operation));
  expect([...operations].sort()).toEqual(['GetObject', 'HeadObject', 'ListObjectsV2']);
});

it('verify ends with 1 on a mismatch, and names the objects that differ', async () => {
  sandbox.put(BUCKET, 'raw/app/4.log', 'late\n');
  const { code, stdout, stderr } = await cli(sandbox, ['verify', DESTINATION, '--json']);
  expect(code).toBe(1);
  expect(parseObject(stdout)).toMatchObject({
    status: 'mismatch',
    problems: [{ code: 'source-late', source: 'raw/app/4.log' }],
  });
  expect(stderr).not.toContain('error');
});

it('verify prints a short table to stdout and progress to stderr', async () => {
  sandbox.put(BUCKET, 'raw/app/4.log', 'late\n');
  const { code, stdout, stderr } = await cli(sandbox, ['verify', DESTINATION, '--deep']);
  expect(code).toBe(1);
  expect(stdout).toMatch(
    /^mismatch\n {2}source +s3:[\s\S]*\n\n1 problem\n {2}source-late: raw\/app\/4\.log is not in the rollup/,
  );
  expect(stderr).toMatch(
    /^verifying: 100%, 1 of 1 output, 5\.9 KiB of 5\.9 KiB, .*\ndone: 1 of 1 output, .*\n$/,
  );
});

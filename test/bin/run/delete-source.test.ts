import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Sandbox, startSandbox } from '../../../sandbox/sandbox.ts';
import { BUCKET, DESTINATION, SOURCE, cli, json, parseObject } from '../command-line.ts';

const RUN = ['run', SOURCE, DESTINATION, '--delete-source'];

let sandbox: Sandbox;
beforeEach(async () => {
  sandbox = await startSandbox({ buckets: [BUCKET] });
  for (const name of ['a', 'b', 'c']) sandbox.put(BUCKET, `raw/app/${name}.log`, `a line of ${name}\n`);
});
afterEach(() => sandbox.close());

it('run --delete-source deletes committed sources from raw, and counts them', async () => {
  const { code, stdout, stderr } = await cli(sandbox, [...RUN, '--no-progress']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toMatch(/^committed\n/);
  expect(stdout).toMatch(/\n {2}deleted +3 sources, 36 B\n/);
  expect(sandbox.keys(BUCKET, 'raw/')).toEqual([]);
  expect(await json(sandbox, ['verify', DESTINATION, '--deep'])).toMatchObject({ status: 'ok', expired: 3 });
});

it('run --delete-source ends with 1 if S3 refuses some deletes, names them, and completes them when run again', async () => {
  sandbox.hook = ({ operation }) =>
    operation === 'DeleteObjects'
      ? { kind: 'refuse-keys', code: (key) => (key.endsWith('b.log') ? 'AccessDenied' : undefined) }
      : undefined;
  const refused = await cli(sandbox, [...RUN, '--json', '--no-progress']);
  expect(refused).toMatchObject({ code: 1, stderr: '' });
  const kept = { uncommitted: 0, changed: 0, unverified: 0, refused: 1 };
  expect(parseObject(refused.stdout)).toMatchObject({
    status: 'committed',
    deleted: { objects: 2, bytes: 24, kept, complete: true },
    problems: [{ code: 'AccessDenied', key: 'raw/app/b.log' }],
  });
  const table = await cli(sandbox, [...RUN]);
  expect(table.code).toBe(1);
  expect(table.stdout).toMatch(/\n {2}deleted +0 sources, 0 B\n {2} +left: 1 refused\n/);
  expect(table.stdout).toMatch(
    /\nbut not all that follows was done:\n {2}DeleteObjects s3:\/\/logs\/raw\/app\/b\.log: .*\(AccessDenied\)\n$/,
  );
  sandbox.hook = undefined;
  expect(await json(sandbox, RUN)).toMatchObject({ status: 'unchanged', deleted: { objects: 1 } });
  expect(sandbox.keys(BUCKET, 'raw/')).toEqual([]);
});

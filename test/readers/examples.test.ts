import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Sandbox, startSandbox } from '../../sandbox/sandbox.ts';
import { cli, environment } from '../bin/command-line.ts';
import { BUCKET, FORMS, PREFIX, makeHour } from './hour.ts';

const EXAMPLE = join(import.meta.dirname, '../../examples/read-committed.mjs');

let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = await startSandbox({ buckets: [BUCKET] });
});
afterAll(() => sandbox.close());

/** The lines that the example prints of an hour, or what it says on stderr. */
async function printed(hour: string): Promise<{ code: number | null; ids: number[]; stderr: string }> {
  const args = [EXAMPLE, `s3://${BUCKET}/${PREFIX}${hour}/`];
  const child = spawn(process.execPath, args, { env: environment(sandbox.endpoint) });
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const [code, stdout, stderr] = await Promise.all([exited, text(child.stdout), text(child.stderr)]);
  const lines = stdout.split('\n').filter((line) => line !== '');
  return { code, ids: lines.map((line) => (JSON.parse(line) as { id: number }).id), stderr };
}

it.each(
  FORMS.filter(({ name }) => ['plain', 'gzip', 'zstd', '`zstd`'].includes(name)).map(
    (form) => [form.name, form] as const,
  ),
)(
  'the example for Node yields the committed lines and no others, of groups and late arrivals, %s',
  async (_, form) => {
    const truth = await makeHour(cli, sandbox, form, { groups: true, leftover: true });
    const { code, ids, stderr } = await printed(form.hour);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(ids.toSorted((a, b) => a - b)).toEqual(truth);
  },
);

it('the example for Node refuses what it cannot decode', async () => {
  const [form] = FORMS.filter(({ name }) => name === 'xz');
  if (form === undefined) throw new Error('There is no xz.');
  await makeHour(cli, sandbox, form, { late: false });
  const { code, ids, stderr } = await printed(form.hour);
  expect({ code, ids }).toEqual({ code: 1, ids: [] });
  expect(stderr).toContain('Node has no decoder for it.');
});

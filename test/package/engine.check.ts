import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { type Sandbox, startSandbox } from '../../sandbox/sandbox.ts';
import { exec, npmInstall, outsideEnv } from './outside.ts';

const BUCKET = 'application-logs';
const folder = join(inject('outside'), 'engine');
let sandbox: Sandbox;

/** A script that somebody might write: TypeScript, so that its compiler reads the types too. */
const SCRIPT = `
import { RollupError, type RollupEvent, extract, plan, rollUp, verify } from 's3-log-rollup';

const hour = {
  hour: '2026-11-21T08',
  source: 's3://${BUCKET}/raw/{yyyy}{MM}{dd}/{HH}/',
  destination: 's3://${BUCKET}/rolled/{yyyy}{MM}{dd}/{HH}/',
  settings: { targetSize: '5MiB', codec: 'gzip' },
} as const;
const events: RollupEvent['type'][] = [];

const planned = await plan(hour);
const result = await rollUp({ ...hour, onEvent: ({ type }) => events.push(type) });
const report = await verify({ ...hour, deep: true });
let text = '';
for await (const chunk of extract({ ...hour, key: 'b.log' })) text += new TextDecoder().decode(chunk);
const codes: string[] = [];
for (const wrong of [
  () => rollUp({ ...hour, settings: { ...hour.settings, targetSize: 'lots' } }),
  () => verify({ destination: 's3://${BUCKET}/nothing/' }),
  () => rollUp({ ...hour, signal: AbortSignal.abort() }),
]) await wrong().catch((error: unknown) => codes.push(error instanceof RollupError ? error.code : String(error)));
console.log(JSON.stringify({
  expected: planned.expected, status: result.status, objects: result.objects, verified: report.status, text, codes,
  committed: events.includes('committed'),
}));
`;

beforeAll(async () => {
  sandbox = await startSandbox({ buckets: [BUCKET] });
  for (const name of ['a', 'b', 'c']) sandbox.put(BUCKET, `raw/20261121/08/${name}.log`, `${name}\n`);
  mkdirSync(folder);
  writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }');
  writeFileSync(join(folder, 'script.ts'), SCRIPT);
  await npmInstall(folder, [inject('tarball'), 'typescript@6', '@types/node@24']);
});
afterAll(async () => {
  await sandbox.close();
});

it('is imported by a script, which rolls up, verifies and reads back', async () => {
  const node = inject('nodes')['24.5.0'];
  const env = outsideEnv(node, {
    AWS_ENDPOINT_URL: sandbox.endpoint,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test-secret',
  });
  const strict = [
    '--strict',
    '--exactOptionalPropertyTypes',
    '--noEmit',
    '--module',
    'nodenext',
    '--types',
    'node',
  ];
  await exec('npx', ['tsc', ...strict, 'script.ts'], { cwd: folder, env });
  const { stdout } = await exec('node', ['script.ts'], { cwd: folder, env });
  expect(JSON.parse(stdout)).toEqual({
    expected: 'committed',
    status: 'committed',
    objects: 3,
    verified: 'ok',
    text: 'b\n',
    codes: ['InvalidArgument', 'NoManifest', 'Aborted'],
    committed: true,
  });
});

/** A script of an app that is CommonJS: its compiler makes `require` of the import. */
const COMMONJS = `
import s3LogRollup = require('s3-log-rollup');

const destination = 's3://${BUCKET}/nothing/';
s3LogRollup.verify({ destination }).catch((error: unknown) => {
  console.log(error instanceof s3LogRollup.RollupError ? error.code : error);
});
`;

it('is required by CommonJS, on every Node that is admitted', async () => {
  const app = join(folder, 'commonjs');
  mkdirSync(app);
  writeFileSync(join(app, 'app.cts'), COMMONJS);
  const env = (node: string | undefined) =>
    outsideEnv(node, {
      AWS_ENDPOINT_URL: sandbox.endpoint,
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test-secret',
    });
  const nodes = inject('nodes');
  const compile = ['tsc', '--strict', '--module', 'nodenext', '--types', 'node', 'app.cts'];
  await exec('npx', compile, { cwd: app, env: env(nodes['24.5.0']) });
  expect(readFileSync(join(app, 'app.cjs'), 'utf8')).toContain('require("s3-log-rollup")');
  for (const node of Object.values(nodes))
    expect(await exec('node', ['app.cjs'], { cwd: app, env: env(node) })).toEqual({
      stdout: 'NoManifest\n',
      stderr: '',
    });
});

import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Sandbox, startSandbox } from '../../sandbox/sandbox.ts';
import {
  BUCKET,
  DESTINATION,
  SOURCE,
  cli,
  environment,
  json,
  lines,
  parseObject,
  runInProcess,
  start,
} from './command-line.ts';

const BODIES: Record<string, Buffer> = {
  'a.log': Buffer.from(lines(70_000, 'a')),
  'b without a last newline.log': Buffer.from('no newline'),
  'c&=+%?#"\u{1f600}\n.log': Buffer.from(lines(500, 'c')),
  'd.json.gz': gzipSync(lines(5_000, 'd')),
  'e.log': Buffer.from('x'),
  'large.log': Buffer.alloc(6 * 2 ** 20, 'large\n'),
};

let sandbox: Sandbox;
let folder: string;
// One rollup for all tests, with nothing left in raw.
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 's3-log-rollup-extract-'));
  sandbox = await startSandbox({ buckets: [BUCKET] });
  for (const [name, body] of Object.entries(BODIES)) sandbox.put(BUCKET, `raw/app/${name}`, body);
  sandbox.put(BUCKET, 'raw/app/empty.log', '');
  await json(sandbox, ['run', SOURCE, DESTINATION, '--target-size', '5MiB']);
  for (const key of sandbox.keys(BUCKET, 'raw/')) sandbox.delete(BUCKET, key);
});
afterAll(async () => {
  rmSync(folder, { recursive: true });
  await sandbox.close();
});

it.each(Object.keys(BODIES))('extract gives %j back byte for byte after it has left raw', async (name) => {
  const file = join(folder, 'object');
  const { code, stdout, stderr } = await cli(sandbox, [
    'extract',
    DESTINATION,
    `raw/app/${name}`,
    '--output',
    file,
  ]);
  const size = (BODIES[name]?.length ?? 0).toLocaleString('en-US');
  expect({ code, stdout, stderr }).toEqual({
    code: 0,
    stdout: '',
    stderr: `wrote ${file}, ${size} bytes\n`,
  });
  expect(readFileSync(file).equals(BODIES[name] ?? Buffer.of())).toBe(true);
  expect(readdirSync(folder)).toEqual(['object']);
});

it.each([
  ['behind the source prefix', 'a.log'],
  ['whole', 'raw/app/a.log'],
  ['as a URI', `${SOURCE}a.log`],
])('extract takes the key %s, and writes to stdout', async (_, key) => {
  const { code, stdout } = await cli(sandbox, ['extract', DESTINATION, key]);
  expect(code).toBe(0);
  expect(stdout).toBe(BODIES['a.log']?.toString());
});

it('extract reads no more than the object', async () => {
  sandbox.clearRequests();
  await cli(sandbox, ['extract', DESTINATION, 'e.log']);
  const ranges = sandbox.requests.filter(({ key = '' }) => key.includes('/part-')).map(({ range }) => range);
  expect(ranges).toEqual([expect.stringMatching(/^bytes=(\d+)-\1$/)]);
});

it.each<[string, string[], string]>([
  ['a key that is not in the rollup', [DESTINATION, 'nobody.log'], 'NotInRollup'],
  ['a prefix that is no rollup', [`s3://${BUCKET}/elsewhere/`, 'a.log'], 'NoManifest'],
])('extract ends with 1 for %s, and leaves no file', async (_, args, expected) => {
  const file = join(folder, 'nothing');
  const { code, stdout, stderr } = await cli(sandbox, ['extract', ...args, '--output', file, '--json']);
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(parseObject(stderr)).toMatchObject({ error: { code: expected } });
  expect(readdirSync(folder)).toEqual(['object']);
});

it('extract says with --json what it wrote, and nothing more with --no-progress', async () => {
  const output = join(folder, 'object');
  const printed = await json(sandbox, ['extract', DESTINATION, 'e.log', '--output', output]);
  expect(printed).toEqual({ key: 'raw/app/e.log', bytes: 1, output });
});

it('extract refuses --json if stdout is for the object', async () => {
  const { code, stdout, stderr } = await cli(sandbox, ['extract', DESTINATION, 'e.log', '--json']);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(parseObject(stderr)).toMatchObject({ error: { code: 'InvalidArgument' } });
});

it("takes a relative file from where npm's user is", async () => {
  const env = environment(sandbox.endpoint, { INIT_CWD: folder });
  const args = ['extract', DESTINATION, 'e.log', '--output', './object'];
  const { code, stderr } = await runInProcess(args, env);
  expect({ code, stderr }).toEqual({ code: 0, stderr: `wrote ${join(folder, 'object')}, 1 bytes\n` });
  expect(readFileSync(join(folder, 'object'), 'utf8')).toBe('x');
});

it.each([
  ['a folder that is not there', 'none/object', 'no such file or directory (ENOENT)'],
  ['a folder', '.', 'illegal operation on a directory (EISDIR)'],
])('extract ends with 1 if the file is %s', async (_, name, why) => {
  const output = join(folder, name);
  const args = ['extract', DESTINATION, 'e.log', '--output', output];
  const { code, stderr } = await cli(sandbox, args);
  expect(code).toBe(1);
  expect(stderr).toBe(`error: --output ${output} cannot be written: ${why}. (UnwritableFile)\n`);
  expect(readdirSync(folder)).toEqual(['object']);
});

it('extract ends with 0 if the reader of stdout closes the pipe early', async () => {
  const ended = start(
    ['extract', DESTINATION, 'large.log'],
    environment(sandbox.endpoint),
    'exec > >(exec head -c 1 >/dev/null)',
  ).ended;
  expect(await ended).toMatchObject({ code: 0, stderr: '' });
});

it('extract says of an empty object that empty objects are skipped', async () => {
  const { code, stderr } = await cli(sandbox, ['extract', DESTINATION, 'empty.log']);
  expect(code).toBe(1);
  expect(stderr).toMatch(/empty\.log is not in the rollup .* empty were skipped.* \(NotInRollup\)\n$/);
});

it('extract leaves no file if the output that holds the object was deleted', async () => {
  for (const key of sandbox.keys(BUCKET, 'rolled/').filter((name) => name.includes('part-'))) {
    sandbox.delete(BUCKET, key);
  }
  const file = join(folder, 'nothing');
  const { code, stderr } = await cli(sandbox, ['extract', DESTINATION, 'a.log', '--output', file, '--json']);
  expect(code).toBe(1);
  expect(parseObject(stderr)).toMatchObject({ error: { code: 'SourceVanished' } });
  expect(readdirSync(folder)).toEqual(['object']);
});

import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Sandbox, startSandbox } from '../../../sandbox/sandbox.ts';
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
} from '../command-line.ts';

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
    stderr: `wrote ${file}, ${size} byte${size === '1' ? '' : 's'}\n`,
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
  expect({ code, stderr }).toEqual({ code: 0, stderr: `wrote ${join(folder, 'object')}, 1 byte\n` });
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

/** Objects with names that whoever writes raw logs may choose. */
const NAMED: Record<string, Buffer> = {
  'app/a.log': Buffer.from(lines(3_000, 'a')),
  'app/b.log': Buffer.from(lines(2_000, 'b')),
  'web/a.log': Buffer.from(lines(1_000, 'w')),
  'web/A.log': Buffer.from('shares its name'),
  'web/a.log/deeper': Buffer.from('below a file'),
  '../outside.log': Buffer.from('outside'),
  '/absolute.log': Buffer.from('absolute'),
  'C:/drive.log': Buffer.from('drive'),
  'win\\dows.log': Buffer.from('backslash'),
  'web/nul': Buffer.from('device'),
};

describe.each(['keep', 'zstd'])('extract --folder, of a rollup with the codec %s', (codec) => {
  const destination = `s3://${BUCKET}/rolled/${codec}/`;
  let restored: string;
  beforeAll(async () => {
    for (const [name, body] of Object.entries(NAMED)) sandbox.put(BUCKET, `raw/named/${name}`, body);
    await json(sandbox, ['run', `s3://${BUCKET}/raw/named/`, destination, '--codec', codec]);
    for (const key of sandbox.keys(BUCKET, 'raw/')) sandbox.delete(BUCKET, key);
  });
  beforeEach(() => {
    restored = join(mkdtempSync(join(folder, 'restored-')), 'here');
  });
  /** The files of the folder and of the one above it, by their names. */
  const files = (): Record<string, string> => {
    const above = join(restored, '..');
    const all = readdirSync(above, { recursive: true, withFileTypes: true }).filter((entry) =>
      entry.isFile(),
    );
    return Object.fromEntries(
      all.map(({ parentPath, name }) => {
        const file = join(parentPath, name);
        return [relative(above, file), readFileSync(file, 'utf8')];
      }),
    );
  };
  const bodies = (names: string[]): Record<string, string> =>
    Object.fromEntries(names.map((name) => [join('here', name), String(NAMED[name])]));

  it('writes all, names what has no place in a folder, and never leaves it', async () => {
    const { code, stdout } = await cli(sandbox, [
      'extract',
      destination,
      '--folder',
      restored,
      '--prefix',
      '',
      '--json',
    ]);
    const { refused, ...result } = parseObject(stdout) as { refused: { key: string; why: string }[] };
    expect(result).toMatchObject({ objects: 3, missing: [] });
    // Of two keys of one name the first has it, and names below it are left out with the other.
    const written = ['app/a.log', 'app/b.log', 'web/A.log'];
    expect(files()).toEqual(bodies(written));
    expect(refused.map(({ key }) => key.replace('raw/named/', '')).sort()).toEqual(
      Object.keys(NAMED)
        .filter((name) => !written.includes(name))
        .sort(),
    );
    expect(code).toBe(1);
  });

  it.each<[string, string[], string[]]>([
    ['several keys, one of them whole', ['app/b.log', 'raw/named/app/a.log'], ['app/a.log', 'app/b.log']],
    ['those of a prefix', ['--prefix', 'app/'], ['app/a.log', 'app/b.log']],
    ['those of a prefix, and a key', ['web/a.log', '--prefix', 'app/a'], ['app/a.log', 'web/a.log']],
  ])('writes %s', async (_, asked, names) => {
    const { code } = await cli(sandbox, ['extract', destination, ...asked, '--folder', restored]);
    expect(files()).toEqual(bodies(names));
    expect(code).toBe(0);
  });

  it('takes keys from a file, and names those that are not in the rollup', async () => {
    const list = join(folder, 'keys.txt');
    writeFileSync(list, 'app/a.log\r\nnobody.log\n');
    const args = ['extract', destination, '--folder', restored, '--keys-from', list, '--json'];
    const { code, stdout } = await cli(sandbox, args);
    rmSync(list);
    expect(parseObject(stdout)).toMatchObject({ objects: 1, refused: [], missing: ['nobody.log'] });
    expect(files()).toEqual(bodies(['app/a.log']));
    expect(code).toBe(1);
  });

  it.each<[string, string[], RegExp]>([
    ['a folder with something in it', ['app/a.log', '--folder', '.'], /has something in it already/],
    ['several keys without a folder', ['app/a.log', 'app/b.log'], /--folder or --to is missing/],
    [
      'a file beside a folder',
      ['app/a.log', '--folder', 'new', '--output', 'x'],
      /leave it out beside --folder/,
    ],
    ['nothing that is asked for', ['--folder', 'new'], /Nothing is asked for/],
  ])('refuses %s', async (_, asked, message) => {
    const { code, stderr } = await cli(sandbox, ['extract', destination, ...asked]);
    expect(stderr).toMatch(message);
    expect(code).toBe(2);
  });
});

it.each(['none', 'gzip'])(
  'extract --folder gives headers back that were left out, with the codec %s',
  async (codec) => {
    const texts: Record<string, string> = {
      '1.csv': 'id,name\n1,a\n',
      '2.csv': 'id,name\n2,b\n',
      '3.csv': 'id,name\n',
    };
    for (const [name, body] of Object.entries(texts)) sandbox.put(BUCKET, `raw/csv/${name}`, body);
    const destination = `s3://${BUCKET}/rolled/csv-${codec}/`;
    await json(sandbox, [
      'run',
      `s3://${BUCKET}/raw/csv/`,
      destination,
      '--codec',
      codec,
      '--header-lines',
      '1',
    ]);
    const restored = mkdtempSync(join(folder, 'headers-'));
    await cli(sandbox, ['extract', destination, '--folder', restored, '--prefix', '']);
    for (const [name, body] of Object.entries(texts))
      expect(readFileSync(join(restored, name), 'utf8')).toBe(body);
  },
);

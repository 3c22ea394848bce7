import { execFileSync } from 'node:child_process';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterEach, beforeEach, expect, it } from 'vitest';
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
  start,
} from '../command-line.ts';

let sandbox: Sandbox;
beforeEach(async () => {
  sandbox = await startSandbox({ buckets: [BUCKET] });
});
afterEach(() => sandbox.close());

const COMPRESS: Record<string, (text: string) => Uint8Array | string> = {
  log: (text) => text,
  gz: (text) => gzipSync(text),
  zst: (text) => zstdCompressSync(text),
  bz2: (input) => execFileSync('bzip2', ['-c'], { input }),
  xz: (input) => execFileSync('xz', ['-c'], { input }),
};

function put(extension: string, count: number): void {
  for (let i = 0; i < count; i++)
    sandbox.put(BUCKET, `raw/app/${i}.json.${extension}`, COMPRESS[extension]?.(lines(100)) ?? '');
}

const joined = (named: string) => [
  {
    code: 'JoinedCompressed',
    key: expect.stringMatching(/^rolled\/app\/part-0000[01]-/) as string,
    message: expect.stringContaining(named) as string,
  },
];

it.each<[name: string, sources: [extension: string, count: number][], options: string[], warnings: unknown]>([
  ['three zstd sources', [['zst', 3]], [], joined('(1 .zst)')],
  ['three bzip2 sources', [['bz2', 3]], [], joined('(1 .bz2)')],
  ['three xz sources', [['xz', 3]], [], joined('(1 .xz)')],
  [
    'sources of several kinds',
    [
      ['log', 2],
      ['xz', 2],
      ['zst', 2],
    ],
    [],
    joined('.xz'),
  ],
  ['one zstd source', [['zst', 1]], [], undefined],
  [
    'one source of each kind',
    [
      ['zst', 1],
      ['bz2', 1],
      ['xz', 1],
    ],
    [],
    undefined,
  ],
  ['three gzip sources', [['gz', 3]], [], undefined],
  ['three plain sources', [['log', 3]], [], undefined],
  ['three zstd sources and a codec', [['zst', 3]], ['--codec', 'zstd'], undefined],
])('plan and run warn of what many readers stop in: %s', async (_, sources, options, warnings) => {
  for (const [extension, count] of sources) put(extension, count);
  for (const command of ['plan', 'run']) {
    const args = [command, SOURCE, DESTINATION, ...options, '--json', '--no-progress'];
    const { code, stdout, stderr } = await cli(sandbox, args);
    expect(code).toBe(0);
    const said = parseObject(stdout)['warnings'];
    if (warnings === undefined) expect([said, stderr]).toEqual([undefined, '']);
    else {
      expect(said).toMatchObject(warnings as object);
      expect(stderr).toContain('--codec gzip or zstd writes one stream an output.');
    }
  }
});

it('many processes warn of it too, and a run that has nothing to write does not', async () => {
  put('zst', 3);
  const args = ['run', SOURCE, DESTINATION, '--json', '--no-progress'];
  const first = await start([...args, '--workers', '2'], environment(sandbox.endpoint)).ended;
  expect(parseObject(first.stdout)).toMatchObject({ status: 'committed', warnings: joined('(1 .zst)') });
  const again = await json(sandbox, ['run', SOURCE, DESTINATION]);
  expect(again['status']).toBe('unchanged');
  expect(again).not.toHaveProperty('warnings');
});

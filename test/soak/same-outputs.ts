import '../support/credentials.ts';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { Command } from '@commander-js/extra-typings';
import { type Sandbox, startSandbox } from '../../sandbox/sandbox.ts';
import { MiB } from '../../lambda/size.ts';
import { logLines, seeded, withCrc32 } from '../support/test-bucket.ts';

/**
 * Runs the command lines of two commits over the same data, each against a local S3 of its own, and compares every object
 * that they leave under the destination: keys, bytes, ETags and metadata. Both are given the same clock, so manifests
 * have to be equal to the byte.
 */
const command = new Command('same-outputs')
  .description('Compares what two commits write for the same sources, byte by byte.')
  .argument('<before>', 'a commit')
  .argument('[after]', 'another; otherwise the work tree')
  .option('--crc32', 'sources have CRC-32s; otherwise S3 gives them CRC-64/NVMEs')
  .parse();
const [before = '', after] = command.args;
const { crc32: hasCrc32 = false } = command.opts();

const ROOT = join(import.meta.dirname, '../..');
const BUCKET = 'logs';
const RAW = 'raw/app/08/';
const AGGREGATED = 'aggregated/app/08/';

/** Node's clock for a process, standing still: manifests say when they were made, and keys depend on what they say. */
const STOPPED_CLOCK = `
const RealDate = Date;
const now = Number(process.env.STOPPED_AT);
globalThis.Date = class Date extends RealDate {
  constructor(...given) { given.length === 0 ? super(now) : super(...given); }
  static now() { return now; }
};
`;

type Stage = (put: (name: string, body: Buffer) => void, remove: (name: string) => void) => void;

const ODD = [
  'a b+c%.log',
  'ü/\u{1F600}.log',
  'line\nbreak.log',
  '"quoted" & <odd>.log',
  '100%25.log',
  'no-extension',
  'z/../dots.log',
];

function firstSources(encoded: boolean): Stage {
  return (put) => {
    const random = seeded(11);
    for (let i = 0; i < 150; i++) {
      const body = logLines(20_000 + random(90_000), random);
      put(`checkout/${String(i).padStart(4, '0')}.log`, i % 3 === 0 ? body.subarray(0, -1) : body);
      if (i % 5 === 0) put(`audit/${String(i).padStart(4, '0')}.json.gz`, gzipSync(body));
      if (i % 7 === 0) put(`audit/${String(i).padStart(4, '0')}.zst`, zstdCompressSync(body));
      if (!encoded && i % 10 === 0) put(`audit/${i}.bz2`, body);
      if (!encoded && i % 11 === 0) put(`audit/${i}.xz`, body);
    }
    put('checkout/0100-large.log', logLines(6 * MiB));
    put('checkout/0200-empty.log', Buffer.alloc(0));
    for (const name of ODD) put(`checkout/${name}`, Buffer.from('odd'));
  };
}

const STAGES: [name: string, stage: Stage, flags: string[]][] = [
  [
    'late, changed and gone sources',
    (put, remove) => {
      put('checkout/0099-late.log', logLines(100_000));
      put('audit/0300-late.json.gz', gzipSync(logLines(70_000)));
      put('checkout/0050.log', Buffer.from('changed in place'));
      remove('checkout/0051.log');
      remove('checkout/0100-large.log');
    },
    [],
  ],
  ['nothing new', () => undefined, []],
  ['a repack', () => undefined, ['--repack']],
];

const VARIANTS: [name: string, flags: string[], encoded: boolean][] = [
  ['as they are', [], false],
  ['without newlines', ['--newline', 'none'], false],
  ['in groups', ['--group-by', '^([^/]+)/'], false],
  ['filtered', ['--exclude', '*.xz', '--exclude', 'audit/1*'], false],
  ['with markers', ['--success-marker', '--symlink-manifest'], false],
  ['by two workers', ['--workers', '2'], false],
  ['codec gzip', ['--codec', 'gzip', '--exclude', '*.bz2'], true],
  ['codec zstd, in groups', ['--codec', 'zstd', '--level', '5', '--group-by', '^([^/]+)/'], true],
  ['codec none', ['--codec', 'none'], true],
];

interface Side {
  tree: string;
  sandbox: Sandbox;
}

function treeOf(commit: string | undefined, folder: string): string {
  if (commit === undefined) return ROOT;
  const { status, stderr } = spawnSync('git', ['worktree', 'add', '--detach', folder, commit], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(stderr);
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  return folder;
}

async function roll({ tree, sandbox }: Side, flags: string[], at: number, clock: string): Promise<string> {
  const child = spawn(
    process.execPath,
    [
      ...['--import', clock, join(tree, 'bin/s3-rollup.ts'), 'run'],
      ...[`s3://${BUCKET}/${RAW}`, `s3://${BUCKET}/${AGGREGATED}`],
      ...['--target-size', '5MiB', '--part-size', '5MiB', '--concurrency', '8', '--no-progress', '--json'],
      ...['--endpoint-url', sandbox.endpoint, ...flags],
    ],
    { env: { ...process.env, STOPPED_AT: String(at) }, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const [out, errors] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  if (out === '') throw new Error(errors);
  const { status, written, copied, reused } = JSON.parse(out) as Record<string, unknown>;
  return JSON.stringify({ status, written, copied, reused });
}

function differences(one: Sandbox, other: Sandbox): string[] {
  const [left, right] = [one, other].map((sandbox) => sandbox.keys(BUCKET, AGGREGATED)) as [
    string[],
    string[],
  ];
  const keys = [...new Set([...left, ...right])].sort();
  return keys.flatMap((key) => {
    const [a, b] = [one.get(BUCKET, key), other.get(BUCKET, key)];
    if (a === undefined || b === undefined) return [`${key} is in one of them only`];
    if (!a.equals(b)) return [`${key} differs`];
    const heads = [one, other].map((sandbox) => JSON.stringify(sandbox.head(BUCKET, key)?.etag));
    return heads[0] === heads[1] ? [] : [`${key} has two ETags`];
  });
}

const folder = mkdtempSync(join(tmpdir(), 'same-outputs-'));
const clock = join(folder, 'clock.mjs');
writeFileSync(clock, STOPPED_CLOCK);
const trees = [treeOf(before, join(folder, 'before')), treeOf(after, join(folder, 'after'))];
let different = 0;
let compared = 0;
try {
  for (const [variant, flags, encoded] of VARIANTS) {
    const began = Date.now();
    const sandboxes = await Promise.all(trees.map(() => startSandbox({ buckets: [BUCKET] })));
    const produced = new Date(began - 60_000);
    const stages: typeof STAGES = [['the first run', firstSources(encoded), []], ...STAGES];
    for (const [i, [stage, change, more]] of stages.entries()) {
      for (const sandbox of sandboxes)
        change(
          (name, body) => {
            const headers = hasCrc32 ? withCrc32(body) : {};
            sandbox.put(BUCKET, RAW + name, body, { lastModified: produced, headers });
          },
          (name) => {
            sandbox.delete(BUCKET, RAW + name);
          },
        );
      const ends: string[] = [];
      for (const [side, sandbox] of sandboxes.entries())
        ends.push(
          await roll({ tree: trees[side] ?? ROOT, sandbox }, [...flags, ...more], began + i * 1000, clock),
        );
      const [one, other] = sandboxes as [Sandbox, Sandbox];
      const found = differences(one, other);
      if (ends[0] !== ends[1]) found.push(`it ended as ${ends.join(' and ')}`);
      compared += one.keys(BUCKET, AGGREGATED).length;
      different += found.length;
      console.log(
        `${found.length === 0 ? 'same     ' : 'DIFFERENT'}  ${variant}, ${stage}: ${ends[0] ?? ''}`,
      );
      for (const difference of found.slice(0, 10)) console.log(`           ${difference}`);
    }
    for (const sandbox of sandboxes) await sandbox.close();
  }
} finally {
  for (const tree of trees.filter((path) => path !== ROOT))
    spawnSync('git', ['worktree', 'remove', '--force', tree], { cwd: ROOT });
  rmSync(folder, { recursive: true, force: true });
}
console.log(`${compared} objects compared, ${different} differences`);
process.exitCode = different === 0 ? 0 : 1;

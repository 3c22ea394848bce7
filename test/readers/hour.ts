import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import type { Sandbox } from '../../sandbox/sandbox.ts';

/*
 * Hours of logs as the recipes of docs/readers.md read them, one for each form of outputs, in the bucket and the prefix that
 * the page names.
 */

export const BUCKET = 'application-logs';
export const PREFIX = 'aggregated/checkout/20261121/';
/** The hour of the recipes, and that of a form takes its place. */
export const PAGE_HOUR = '08';

type Compress = (text: string) => Uint8Array | string;

const COMPRESS: Record<string, Compress> = {
  '': (text) => text,
  '.gz': (text) => gzipSync(text),
  '.zst': (text) => zstdCompressSync(text),
  '.bz2': (input) => execFileSync('bzip2', ['-c'], { input }),
  '.xz': (input) => execFileSync('xz', ['-c'], { input }),
};

/** What the outputs of an hour are: sources that are kept, of these extensions by turns, or what a codec makes of them. */
export interface Form {
  name: string;
  /** Two digits. */
  hour: string;
  extensions: string[];
  options: string[];
}

/** The columns of the page's table. */
export const FORMS: Form[] = [
  { name: 'plain', extensions: [''], options: [] },
  { name: 'gzip', extensions: ['.gz'], options: [] },
  { name: 'zstd', extensions: ['.zst'], options: [] },
  { name: 'bzip2', extensions: ['.bz2'], options: [] },
  { name: 'xz', extensions: ['.xz'], options: [] },
  { name: '`gzip`', extensions: ['', '.gz', '.zst'], options: ['--codec', 'gzip'] },
  { name: '`zstd`', extensions: ['', '.gz', '.zst'], options: ['--codec', 'zstd'] },
  { name: '`none`', extensions: ['', '.gz', '.zst'], options: ['--codec', 'none'] },
].map((form, i) => ({ ...form, hour: String(i).padStart(2, '0') }));

/** How an hour came to be: more than one commit, and folders of groups. */
export interface History {
  late?: boolean;
  repack?: boolean;
  groups?: boolean;
  /** An output that is in the prefix, and in no commit: what a killed run leaves. */
  leftover?: boolean;
}

const SOURCES = 6;
const LATE = 3;
const LINES = 40;

/** Lines of a source, each with an id that no other line of the hour has. */
function linesOf(source: number): { ids: number[]; text: string } {
  const ids = Array.from({ length: LINES }, (_, i) => source * LINES + i);
  const text = ids.map(
    (id) => `${JSON.stringify({ id, level: id % 3 === 0 ? 'error' : 'info', message: `order ${id}` })}\n`,
  );
  return { ids, text: text.join('') };
}

/** Runs the command line with these arguments, against the sandbox. */
export type CommandLine = (
  sandbox: Sandbox,
  args: string[],
) => Promise<{ code: number | null; stdout: string; stderr: string }>;

/**
 * Rolls an hour up and returns the ids of its lines, in order.
 *
 * @throws Error if a command does not end well
 */
export async function makeHour(
  cli: CommandLine,
  sandbox: Sandbox,
  { hour, extensions, options }: Form,
  { late = true, repack = false, groups = false, leftover = false }: History = {},
): Promise<number[]> {
  const raw = `raw/checkout/20261121/${hour}/`;
  const rolled = `${PREFIX}${hour}/`;
  const ids: number[] = [];
  const put = (source: number): void => {
    const extension = extensions[source % extensions.length] ?? '';
    const group = groups ? `${source % 2 === 0 ? 'api' : 'web'}/` : '';
    const { ids: more, text } = linesOf(source);
    ids.push(...more);
    sandbox.put(BUCKET, `${raw}${group}${source}.json${extension}`, COMPRESS[extension]?.(text) ?? '');
  };
  const run = async (...more: string[]): Promise<void> => {
    const args = [
      'run',
      `s3://${BUCKET}/${raw}`,
      `s3://${BUCKET}/${rolled}`,
      '--symlink-manifest',
      ...options,
    ];
    const grouped = groups ? ['--group-by', '^([^/]+)/'] : [];
    const { code, stdout, stderr } = await cli(sandbox, [
      ...args,
      ...grouped,
      ...more,
      '--json',
      '--no-progress',
    ]);
    if (code !== 0 || !stdout.startsWith('{"status":"committed"')) throw new Error(stderr + stdout);
  };
  for (let source = 0; source < SOURCES; source++) put(source);
  await run();
  if (late) {
    for (let source = SOURCES; source < SOURCES + LATE; source++) put(source);
    await run();
  }
  if (repack) await run('--repack');
  if (leftover) {
    const [output = ''] = sandbox.keys(BUCKET, rolled).filter((key) => /\/part-/.test(key));
    sandbox.put(
      BUCKET,
      output.replace(/part-\d+-[0-9a-f]{12}/, 'part-00009-0123456789ab'),
      sandbox.get(BUCKET, output) ?? '',
    );
  }
  return ids;
}

/**
 * Copies what lies under the page's prefix to a folder, for readers that are not given S3 here. The `s3://` URIs of the lists
 * become paths there.
 */
export function copyTo(folder: string, sandbox: Sandbox): void {
  for (const key of sandbox.keys(BUCKET, PREFIX)) {
    const file = join(folder, BUCKET, key);
    mkdirSync(dirname(file), { recursive: true });
    const body = sandbox.get(BUCKET, key) ?? Buffer.alloc(0);
    const isList = key.endsWith('/_symlink_format_manifest/manifest');
    writeFileSync(file, isList ? body.toString().replaceAll('s3://', `${folder}/`) : body);
  }
}

export const sorted = (ids: Iterable<number>): number[] => [...ids].toSorted((a, b) => a - b);

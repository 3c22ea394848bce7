import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync, zstdDecompressSync } from 'node:zlib';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Sandbox, startSandbox } from '../../../sandbox/sandbox.ts';
import { REFUSED, matching, onNth } from '../../support/hooks.ts';
import { BUCKET, DESTINATION, SOURCE, cli, json, start } from '../command-line.ts';

const FILES = 50;
const RAW = 'raw/app/';
const ROLLED = 'rolled/app/';
const HEADER = '#Version: 1.0\n#Fields: date time x-edge-location sc-bytes cs-method\n';
const TWO_LINES = ['--header-lines', '2', '--no-progress'];

let sandbox: Sandbox;
let directory: string;
beforeEach(async () => {
  sandbox = await startSandbox({ buckets: [BUCKET] });
  directory = mkdtempSync(join(tmpdir(), 'header-lines-'));
});
afterEach(async () => {
  rmSync(directory, { recursive: true });
  await sandbox.close();
});

/** A standard log of CloudFront: https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/standard-logs-reference.html */
function cloudFrontLog(i: number, header = HEADER): string {
  const rows = Array.from({ length: 3 + (i % 7) }, (_, row) =>
    ['2026-11-21', `08:${String(i).padStart(2, '0')}:0${row}`, 'LHR62-C1', i * 100 + row, 'GET'].join('\t'),
  );
  return `${header}${rows.join('\n')}\n`;
}

const rowsOf = (log: string): number =>
  log.split('\n').filter((line) => line !== '' && !line.startsWith('#')).length;

/** Puts the hour of a distribution, and returns the log under each key. */
function putHour(isGzip: boolean, count = FILES): Map<string, string> {
  const logs = new Map<string, string>();
  for (let i = 0; i < count; i++) {
    const key = `${RAW}E2EXAMPLE.2026-11-21-08.${String(i * 7919).padStart(8, '0')}${isGzip ? '.gz' : '.log'}`;
    logs.set(key, cloudFrontLog(i));
    sandbox.put(BUCKET, key, isGzip ? gzipSync(cloudFrontLog(i)) : cloudFrontLog(i));
  }
  return logs;
}

/** The outputs as files of their own names. */
function download(): string[] {
  return sandbox.keys(BUCKET, `${ROLLED}part-`).map((key) => {
    const file = join(directory, key.slice(ROLLED.length));
    writeFileSync(file, sandbox.get(BUCKET, key) ?? '');
    return file;
  });
}

const textOf = (file: string): string =>
  execFileSync('gzip', ['-dcf', file], { encoding: 'utf8', maxBuffer: 2 ** 28 });

/** Expects every output to begin with the header and have it nowhere else, and returns their rows in all. */
function expectOneHeader(files: string[]): number {
  for (const file of files) {
    const lines = textOf(file).split('\n');
    expect(lines.filter((line) => line.startsWith('#'))).toEqual(lines.slice(0, 2));
  }
  return files.reduce((sum, file) => sum + rowsOf(textOf(file)), 0);
}

async function expectGivenBack(logs: Map<string, string>, keys = [...logs.keys()]): Promise<void> {
  for (const key of keys) {
    const { stdout, code } = await cli(sandbox, [
      'extract',
      DESTINATION,
      key.slice(RAW.length),
      '--no-progress',
    ]);
    expect(code).toBe(0);
    expect(stdout).toBe(logs.get(key));
  }
}

const isDeepOk = async (): Promise<unknown> =>
  (await json(sandbox, ['verify', DESTINATION, '--deep']))['status'];

/** Rows that DuckDB reads out of a file, as a user has it skip the header lines. */
async function countByDuckDb(file: string): Promise<bigint> {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  try {
    const columns = "{'day':'DATE','at':'TIME','edge':'VARCHAR','bytes':'BIGINT','method':'VARCHAR'}";
    const sql = `SELECT count(*) AS rows, count(DISTINCT bytes) AS seen FROM read_csv('${file}', delim='\t', header=false, skip=2, columns=${columns})`;
    const [row] = (await connection.runAndReadAll(sql)).getRowObjects();
    expect(row?.['rows']).toBe(row?.['seen']);
    return row?.['rows'] as bigint;
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

describe.each([
  ['gzip', true, ['--codec', 'gzip']],
  ['plain', false, []],
] as const)('an hour of CloudFront logs, %s', (_, isGzip, codec) => {
  const run = ['run', SOURCE, DESTINATION, ...codec, ...TWO_LINES];

  it('has two header lines an output, and every data row, for gzip and for DuckDB', async () => {
    const logs = putHour(isGzip);
    const rows = [...logs.values()].reduce((sum, log) => sum + rowsOf(log), 0);
    const plan = await json(sandbox, ['plan', ...run.slice(1)]);
    const result = await json(sandbox, run);
    expect(result).toMatchObject({ status: 'committed', objects: FILES, outputs: 1, headersKept: 0 });
    expect({ ...(plan['requests'] as object), retries: 0 }).toEqual(result['requests']);
    const [file = '', ...more] = download();
    expect(more).toEqual([]);
    expect(file).toMatch(isGzip ? /part-00000-[0-9a-f]{12}\.gz$/ : /part-00000-[0-9a-f]{12}\.log$/);
    expect(expectOneHeader([file])).toBe(rows);
    expect(await countByDuckDb(file)).toBe(BigInt(rows));
    expect(await isDeepOk()).toBe('ok');
    await expectGivenBack(logs, [...logs.keys()].slice(0, 4));
  });

  it('is told of where the header lines of a source differ', async () => {
    putHour(isGzip, 3);
    const other = cloudFrontLog(3, '#Version: 1.1\n#Fields: date\n');
    sandbox.put(BUCKET, `${RAW}Z${isGzip ? '.gz' : '.log'}`, isGzip ? gzipSync(other) : other);
    const { stdout, code } = await cli(sandbox, run);
    expect(code).toBe(0);
    expect(stdout).toMatch(/\n +1 source kept other header lines\n/);
    expect(textOf(download()[0] ?? '')).toContain(other);
    expect(await isDeepOk()).toBe('ok');
  });

  it('is continued after a failure, has late arrivals, and is repacked after raw was deleted', async () => {
    const logs = putHour(isGzip);
    sandbox.hook = onNth(1, matching('PutObject', `${ROLLED}_sources`), REFUSED);
    expect((await cli(sandbox, run)).code).toBe(1);
    sandbox.hook = undefined;
    expect(await json(sandbox, run)).toMatchObject({
      status: 'committed',
      written: 0,
      reused: 1,
      headersKept: 0,
    });

    const late = `${RAW}E2EXAMPLE.2026-11-21-08.zzzzzzzz${isGzip ? '.gz' : '.log'}`;
    logs.set(late, cloudFrontLog(5));
    sandbox.put(BUCKET, late, isGzip ? gzipSync(cloudFrontLog(5)) : cloudFrontLog(5));
    expect(await json(sandbox, run)).toMatchObject({ status: 'committed', written: 1, reused: 1 });
    const rows = [...logs.values()].reduce((sum, log) => sum + rowsOf(log), 0);
    expect(expectOneHeader(download())).toBe(rows);

    const deleted = await json(sandbox, [...run, '--delete-source']);
    expect(deleted).toMatchObject({ status: 'unchanged', deleted: { objects: FILES + 1, complete: true } });
    expect(sandbox.keys(BUCKET, RAW)).toEqual([]);
    const plan = await json(sandbox, ['plan', ...run.slice(1), '--repack']);
    const repacked = await json(sandbox, [...run, '--repack']);
    expect(repacked).toMatchObject({ status: 'committed', outputs: 1, written: 1, headersKept: 0 });
    expect({ ...(plan['requests'] as object), retries: 0 }).toEqual(repacked['requests']);
    rmSync(directory, { recursive: true });
    directory = mkdtempSync(join(tmpdir(), 'header-lines-'));
    expect(expectOneHeader(download())).toBe(rows);
    expect(await isDeepOk()).toBe('ok');
    await expectGivenBack(logs, [...logs.keys()].slice(-3));

    const withAll = ['run', SOURCE, DESTINATION, '--codec', 'zstd', '--no-progress', '--repack'];
    expect(await json(sandbox, withAll)).not.toHaveProperty('headersKept');
    const [key = ''] = sandbox.keys(BUCKET, `${ROLLED}part-`);
    const text = zstdDecompressSync(sandbox.get(BUCKET, key) ?? '').toString();
    expect(text).toBe([...logs.values()].join(''));
  });

  it('is shared among workers, to the same outputs', async () => {
    const logs = putHour(isGzip);
    await json(sandbox, run);
    const keys = sandbox.keys(BUCKET, `${ROLLED}part-`);
    const before = keys.map((key) => sandbox.get(BUCKET, key));
    for (const key of sandbox.keys(BUCKET, ROLLED)) sandbox.delete(BUCKET, key);
    const alone = (args: string[], env: NodeJS.ProcessEnv) => start(args, env).ended;
    const shared = await json(sandbox, [...run, '--workers', '2'], alone);
    expect(shared).toMatchObject({ status: 'committed', objects: FILES, headersKept: 0 });
    expect(sandbox.keys(BUCKET, `${ROLLED}part-`)).toEqual(keys);
    expect(keys.map((key) => sandbox.get(BUCKET, key))).toEqual(before);
    expect(await isDeepOk()).toBe('ok');
    await expectGivenBack(logs, [...logs.keys()].slice(1, 3));
  });
});

it('without a codec, gzip is refused with advice, before anything is written', async () => {
  putHour(true, 2);
  const { code, stderr } = await cli(sandbox, ['run', SOURCE, DESTINATION, ...TWO_LINES]);
  expect(code).toBe(1);
  expect(stderr).toMatch(/Give a codec, gzip, zstd or none, or leave headerLines out/);
  expect(sandbox.keys(BUCKET, ROLLED)).toEqual([]);
});

it.each([
  ['101', 'must be a whole number from 0 to 100'],
  ['two', 'must be a whole number from 0 to 100'],
])('--header-lines %s is refused', async (value, why) => {
  const { code, stderr } = await cli(sandbox, ['run', SOURCE, DESTINATION, '--header-lines', value]);
  expect(code).toBe(2);
  expect(stderr).toContain(`--header-lines ${why}`);
});

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Sandbox, startSandbox } from '../../sandbox/sandbox.ts';
import { BUCKET, FORMS, copyTo, makeHour } from '../readers/hour.ts';
import { cli, environment, parseObject, runInProcess } from './command-line.ts';

const PATTERN = `s3://${BUCKET}/aggregated/checkout/{yyyy}{MM}{dd}/{HH}/`;
const COLUMNS = 'id bigint, level string, message string';

const ddl = (...args: string[]) => runInProcess(['ddl', ...args], environment('http://127.0.0.1:1'));

async function statementOf(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await ddl(...args);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout;
}

describe.each(['athena', 'trino', 'spark', 'duckdb'])('ddl --reader %s', (reader) => {
  it.each([
    ['JSON by the list', PATTERN, ['--symlink-manifest', '--columns', COLUMNS]],
    ['JSON by the prefix', PATTERN, ['--columns', COLUMNS]],
    ['lines, groups, zstd', PATTERN, ['--group-by', '^([^/]+)/', '--codec', 'zstd']],
    [
      'CSV with a header line',
      PATTERN,
      ['--format', 'csv', '--header-lines', '1', '--columns', 'a string, b decimal(10,2)'],
    ],
    [
      'tabs by the list, two header lines',
      PATTERN,
      ['--format', 'tsv', '--header-lines', '2', '--symlink-manifest', '--columns', 'a string'],
    ],
    ['folders as Hive names them', 's3://logs/app/dt={yyyy}-{MM}-{dd}/hour={HH}/', []],
    [
      'a date that is there twice',
      's3://logs/{yyyy}/{MM}/{dd}/app.{yyyy}{MM}{dd}{HH}/',
      ['--table', 'app_logs'],
    ],
    ['no pattern, by the list', 's3://logs/app', ['--symlink-manifest']],
  ])('prints a statement: %s', async (_, pattern, options) => {
    expect(await statementOf(pattern, '--reader', reader, ...options)).toMatchSnapshot();
  });
});

describe("DuckDB runs the statement, over a folder in S3's place", () => {
  let sandbox: Sandbox;
  let folder: string;
  const truth = new Map<string, number[]>();
  beforeAll(async () => {
    sandbox = await startSandbox({ buckets: [BUCKET] });
    folder = mkdtempSync(join(tmpdir(), 'ddl-'));
    for (const form of FORMS.filter(({ name }) => ['gzip', '`zstd`', '`none`'].includes(name)))
      truth.set(form.hour, await makeHour(cli, sandbox, form, { groups: true }));
    copyTo(folder, sandbox);
  });
  afterAll(async () => {
    rmSync(folder, { recursive: true });
    await sandbox.close();
  });

  it.each([
    ['JSON by the list', ['--symlink-manifest', '--columns', COLUMNS], 'id'],
    ['JSON by the prefix', ['--columns', COLUMNS], 'id'],
    ['lines by the list', ['--symlink-manifest'], "line->>'id'"],
    ['lines by the prefix', [], "line->>'id'"],
    ['tabs, with no tab in any line', ['--format', 'tsv', '--columns', 'line string'], "line->>'id'"],
  ])('%s', async (_, options, id) => {
    const statement = await statementOf(PATTERN, '--reader', 'duckdb', '--group-by', '^([^/]+)/', ...options);
    const instance = await DuckDBInstance.create(':memory:');
    const connection = await instance.connect();
    try {
      await connection.run(statement.replaceAll('s3://', `${folder}/`));
      const sql = `SELECT day, hour, list((${id})::INTEGER ORDER BY (${id})::INTEGER) AS ids FROM logs GROUP BY ALL ORDER BY hour`;
      const rows = (await connection.runAndReadAll(sql)).getRowObjectsJson();
      const expected = [...truth].map(([hour, ids]) => ({ day: '20261121', hour, ids }));
      expect(rows).toEqual(expected.toSorted((a, b) => a.hour.localeCompare(b.hour)));
    } finally {
      connection.closeSync();
      instance.closeSync();
    }
  });
});

it('ddl --json prints one object', async () => {
  const { stdout } = await ddl(PATTERN, '--reader', 'duckdb', '--json');
  expect(parseObject(stdout)).toMatchObject({
    reader: 'duckdb',
    statement: expect.stringContaining('VIEW') as string,
  });
});

it.each([
  ['no reader', [PATTERN], '--reader'],
  ['another reader', [PATTERN, '--reader', 'hive'], 'Allowed choices are athena, trino, spark, duckdb'],
  ['no destination', ['--reader', 'athena'], 'destination is missing'],
  ['a glob', ['s3://logs/app/*/', '--reader', 'athena'], 'must be a prefix, not a glob'],
  ['a misspelt placeholder', ['s3://logs/app/{mm}/', '--reader', 'athena'], 'use {MM}'],
  ['columns without types', [PATTERN, '--reader', 'athena', '--columns', 'at, level string'], 'not "at"'],
  [
    'a column that is a folder',
    [PATTERN, '--reader', 'athena', '--columns', 'Day string'],
    'has a column day',
  ],
  [
    'a format without columns',
    [PATTERN, '--reader', 'athena', '--format', 'csv'],
    '--format csv needs --columns',
  ],
  [
    'columns of lines',
    [PATTERN, '--reader', 'athena', '--format', 'lines', '--columns', 'a string'],
    'leave out --columns',
  ],
  ['a name that is none', [PATTERN, '--reader', 'athena', '--table', 'a;b'], '--table must be a name'],
])('ddl refuses %s', async (_, args, why) => {
  const { code, stdout, stderr } = await ddl(...args);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toContain(why);
});

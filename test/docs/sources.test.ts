import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Sandbox, startSandbox } from '../../sandbox/sandbox.ts';
import { cli, json, parseObject } from '../bin/command-line.ts';
import { anchors, page } from '../lib/markdown.ts';
import { neighbours, outputsOf, putObjects, readBack, truthOf } from './read-back.ts';
import { CLOUDFRONT_FIELDS, LOGS } from './source-objects.ts';
import { COMMANDS, type Command, PAGE, ROWS, fillHour, splitLocation, valueOf } from './source-page.ts';

/*
 * The commands of docs/sources.md, run as they stand there over objects of each service. All rows share one bucket, as logs
 * of an account do, so that each also lies beside all others.
 */

const cases = ROWS.map(({ name }) => [name, COMMANDS.get(name), LOGS[name]] as const);

let sandbox: Sandbox;
let directory: string;
beforeAll(async () => {
  sandbox = await startSandbox({ buckets: ['example-logs', 'example-rollups', 'aws-waf-logs-example'] });
  directory = mkdtempSync(join(tmpdir(), 'sources-'));
  for (const [name, command, logs] of cases) {
    if (command === undefined || logs === undefined) throw new Error(`${name} has no command or no case.`);
    const { bucket } = splitLocation(command.source);
    // Keys without an hour, of a source of a whole day, are the same in a neighbour of that day.
    for (const other of neighbours(command.hour)) putObjects(sandbox, bucket, logs.objects, other);
    putObjects(sandbox, bucket, logs.objects, command.hour);
    for (const other of logs.beside)
      sandbox.put(bucket, fillHour(other, command.hour), 'not of this source\n');
  }
});
afterAll(async () => {
  rmSync(directory, { recursive: true });
  await sandbox.close();
});

const shapeOf = ({ options }: Command) => ({
  codec: valueOf(options, '--codec'),
  headerLines: Number(valueOf(options, '--header-lines') ?? 0),
});

/** The one row that DuckDB answers with. */
async function askDuckDb(sql: string): Promise<Record<string, unknown> | undefined> {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  try {
    return (await connection.runAndReadAll(sql)).getRowObjects()[0];
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

describe('docs/sources.md', () => {
  it('has a section with a command and a case here for every row of its table, and no others', () => {
    const names = ROWS.map(({ name }) => name);
    expect(names.length).toBeGreaterThan(10);
    expect([...COMMANDS.keys()]).toEqual(names);
    expect(Object.keys(LOGS)).toEqual(names);
    expect(anchors(PAGE)).toEqual(expect.arrayContaining(ROWS.map(({ anchor }) => anchor)));
  });

  it.each(ROWS)('says the same options of $name in table and command', ({ name, options }) => {
    const typed = COMMANDS.get(name)?.options.filter((option) => option !== '--symlink-manifest');
    expect(typed?.join(' ')).toBe(options);
  });
});

describe.each(cases)('%s', (_, command, logs) => {
  if (command === undefined || logs === undefined) return;
  const { hour, source, destination, options } = command;
  const to = splitLocation(fillHour(destination, hour));

  it('is rolled up by the command of the page, and read back by standard tools, with nothing of what lies beside', async () => {
    const plan = await json(sandbox, ['plan', '--hour', hour, source, destination, ...options]);
    expect(plan['warnings']).toBeUndefined();
    const result = await json(sandbox, ['run', '--hour', hour, source, destination, ...options]);
    expect(result).toMatchObject({
      status: 'committed',
      source: fillHour(source, hour),
      objects: logs.objects.length,
    });
    expect(result['warnings']).toBeUndefined();
    expect({ ...(plan['requests'] as object), retries: 0 }).toEqual(result['requests']);
    expect(result['headersKept'] ?? 0).toBe(0);
    const truth = truthOf(logs.objects, hour, shapeOf(command));
    const seen = readBack(sandbox, to.bucket, to.key);
    expect(Object.keys(seen).sort()).toEqual(Object.keys(truth).sort());
    for (const [format, text] of Object.entries(truth))
      expect(seen[format]?.split('\n')).toEqual(text.split('\n'));
  });

  it('is not changed by another run, and verified byte for byte', async () => {
    const again = await json(sandbox, ['run', '--hour', hour, source, destination, ...options]);
    expect(again).toMatchObject({ status: 'unchanged', written: 0 });
    const report = await json(sandbox, ['verify', '--deep', '--hour', hour, destination]);
    expect(report).toMatchObject({ status: 'ok', source: fillHour(source, hour) });
  });
});

/** The outputs of a row as files, in index order. */
function download(name: string): string[] {
  const { hour = '', destination = '' } = COMMANDS.get(name) ?? {};
  const { bucket, key } = splitLocation(fillHour(destination, hour));
  return outputsOf(sandbox, bucket, key).map((output, i) => {
    const file = join(directory, `${name}-${i}.${output.split('.').at(-1) ?? ''}`);
    writeFileSync(file, sandbox.get(bucket, output) ?? '');
    return file;
  });
}

describe('what the page says of readers', () => {
  it('CloudFront: DuckDB counts the data rows, and no header line', async () => {
    const rows = LOGS['CloudFront']?.objects.reduce((sum, { text }) => sum + text.split('\n').length - 3, 0);
    const files = download('CloudFront');
    expect(files).toHaveLength(1);
    const columns = CLOUDFRONT_FIELDS.map((name) => `'${name}':'VARCHAR'`).join(',');
    const sql = `SELECT count(*)::INTEGER AS rows, count(DISTINCT "x-edge-request-id")::INTEGER AS requests FROM read_csv('${files[0] ?? ''}', delim='\t', header=false, skip=2, columns={${columns}})`;
    expect(await askDuckDb(sql)).toEqual({ rows, requests: rows });
  });

  it('CloudTrail: each line is a document of its own, whose records DuckDB unnests', async () => {
    const [file = ''] = download('CloudTrail');
    const lines = execFileSync('gzip', ['-dc', file], { encoding: 'utf8' }).trimEnd().split('\n');
    const records = lines.map((line) => (JSON.parse(line) as { Records: unknown[] }).Records.length);
    expect(records).toEqual([2, 3, 4, 2, 3, 4]);
    const sql = `SELECT count(*)::INTEGER AS records FROM (SELECT unnest(Records) FROM read_json('${file}'))`;
    expect(await askDuckDb(sql)).toEqual({ records: 18 });
  });

  it('CloudTrail without a codec: the documents run together on one line', async () => {
    const { hour = '', source = '' } = COMMANDS.get('CloudTrail') ?? {};
    await json(sandbox, ['run', '--hour', hour, source, 's3://example-rollups/joined/']);
    const { gzip = '' } = readBack(sandbox, 'example-rollups', 'joined/');
    expect(gzip.split('\n')).toHaveLength(1);
    expect(gzip.match(/\]\}\{"Records"/g)).toHaveLength(5);
  });

  it.each(['CloudTrail', 'Amazon Data Firehose', 'CloudWatch Logs subscriptions', 'Vector'])(
    '%s: plan says that it needs a codec',
    async (name) => {
      const { hour = '', source = '' } = COMMANDS.get(name) ?? {};
      const args = [
        'plan',
        '--hour',
        hour,
        source,
        's3://example-rollups/planned/',
        '--json',
        '--no-progress',
      ];
      const { code, stdout } = await cli(sandbox, args);
      expect(code).toBe(0);
      const { warnings = [] } = parseObject(stdout);
      expect((warnings as { code: string }[]).map(({ code }) => code)).toContain('LastNewlineMissing');
    },
  );

  it('Fluent Bit with a codec: one kind of outputs', async () => {
    const { hour = '', source = '' } = COMMANDS.get('Fluent Bit') ?? {};
    const destination = 's3://example-rollups/one-kind/';
    expect(
      await json(sandbox, ['run', '--hour', hour, source, destination, '--codec', 'gzip']),
    ).toMatchObject({
      outputs: 1,
    });
    const truth = truthOf(LOGS['Fluent Bit']?.objects ?? [], hour, { codec: 'gzip', headerLines: 0 });
    expect(readBack(sandbox, 'example-rollups', 'one-kind/')).toEqual(truth);
  });

  it('CloudFront: the projection of docs/readers.md finds the list of outputs', () => {
    const [, template = ''] =
      /s3:\/\/application-logs\/aggregated\/checkout\/(\$\{day\}[^']*_symlink_format_manifest\/)'/.exec(
        page('readers.md'),
      ) ?? [];
    const { hour = '', destination = '' } = COMMANDS.get('CloudFront') ?? {};
    const { bucket, key } = splitLocation(destination.replace('{yyyy}{MM}{dd}/{HH}/', template));
    const folder = key
      .replace('${day}', fillHour('{yyyy}{MM}{dd}', hour))
      .replace('${hour}', fillHour('{HH}', hour));
    const to = splitLocation(fillHour(destination, hour));
    const listed = sandbox.get(bucket, `${folder}manifest`)?.toString().trimEnd().split('\n');
    expect(listed).toEqual(outputsOf(sandbox, to.bucket, to.key).map((output) => `s3://${bucket}/${output}`));
  });
});

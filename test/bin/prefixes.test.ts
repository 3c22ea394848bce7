import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Sandbox, startSandbox } from '../../sandbox/sandbox.ts';
import { BUCKET, cli, json, parseObject, start } from './command-line.ts';

/*
 * Sources whose prefix ends in the middle of a name, begins with a slash or has empty segments, on the command line.
 */

let sandbox: Sandbox;
beforeEach(async () => {
  sandbox = await startSandbox({ buckets: [BUCKET] });
});
afterEach(() => sandbox.close());

const put = (key: string, text = `${key}\n`): void => {
  sandbox.put(BUCKET, key, text);
};
/** What is in the outputs below a prefix, joined. */
const rolled = (prefix: string): string =>
  sandbox
    .keys(BUCKET, prefix)
    .filter((key) => key.includes('/part-'))
    .map((key) => sandbox.get(BUCKET, key)?.toString() ?? '')
    .join('');
/** The source that the manifest below a prefix names. */
const sourceOf = (prefix: string): string | undefined =>
  /"source": "([^"]*)"/.exec(sandbox.get(BUCKET, `${prefix}_manifest.json`)?.toString() ?? '')?.[1];

describe('an hour in the middle of a name', () => {
  const SOURCE = `s3://${BUCKET}/cf/E2EXAMPLE.{yyyy}-{MM}-{dd}-{HH}`;
  const DESTINATION = `s3://${BUCKET}/rolled/cf/{yyyy}/{MM}/{dd}/{HH}/`;
  const AT = ['--hour', '2026-11-21T08'];
  const PREFIX = 'rolled/cf/2026/11/21/08/';

  it('is rolled up, told of, extracted and verified, and nothing beside it', async () => {
    for (const id of ['a1b2', 'c3d4']) put(`cf/E2EXAMPLE.2026-11-21-08.${id}.log`);
    for (const other of ['E2EXAMPLE.2026-11-21-09.a1b2', 'E2EXAMPLE.2026-11-21-0', 'E9.2026-11-21-08.a'])
      put(`cf/${other}.log`);
    const plan = await json(sandbox, ['plan', ...AT, SOURCE, DESTINATION]);
    const run = await json(sandbox, ['run', ...AT, SOURCE, DESTINATION]);
    const source = `s3://${BUCKET}/cf/E2EXAMPLE.2026-11-21-08`;
    expect(run).toMatchObject({ status: 'committed', objects: 2, source });
    expect(run['requests']).toEqual({ ...(plan['requests'] as object), retries: 0 });
    expect(run['warnings']).toBeUndefined();
    expect(rolled(PREFIX)).toBe('cf/E2EXAMPLE.2026-11-21-08.a1b2.log\ncf/E2EXAMPLE.2026-11-21-08.c3d4.log\n');
    expect(sourceOf(PREFIX)).toBe(source);
    // A filled pattern is not looked around.
    put('cf/E2EXAMPLE.2026-11-21-08.late.log');
    const again = await json(sandbox, ['run', ...AT, SOURCE, DESTINATION]);
    expect(again).toMatchObject({ status: 'committed', objects: 3 });
    const lists = [run, again].map(({ requests }) => (requests as { list: number }).list);
    expect(lists[0]).toBe(lists[1]);
    expect(await json(sandbox, ['run', ...AT, SOURCE, DESTINATION])).toMatchObject({ status: 'unchanged' });
    expect(await json(sandbox, ['verify', ...AT, DESTINATION, '--deep'])).toMatchObject({
      status: 'ok',
      source,
    });
    for (const key of ['E2EXAMPLE.2026-11-21-08.c3d4.log', 'cf/E2EXAMPLE.2026-11-21-08.c3d4.log'])
      expect((await cli(sandbox, ['extract', ...AT, DESTINATION, key])).stdout).toBe(
        'cf/E2EXAMPLE.2026-11-21-08.c3d4.log\n',
      );
    const range = ['--from', '2026-11-21T08', '--to', '2026-11-21T08'];
    const status = ['status', '--source', SOURCE, '--destination', DESTINATION, ...range];
    expect(await json(sandbox, status)).toMatchObject({
      hours: [{ state: 'rolled-up', objects: 3, source }],
    });
  });

  it('is taken as it is written, though all of it lies in the folder of its name at first', async () => {
    put('cf/E2EXAMPLE.2026-11-21-08/a.log');
    const source = `s3://${BUCKET}/cf/E2EXAMPLE.2026-11-21-08`;
    const run = ['run', ...AT, SOURCE, DESTINATION];
    expect(await json(sandbox, run)).toMatchObject({ status: 'committed', objects: 1, source });
    put('cf/E2EXAMPLE.2026-11-21-08.late.log');
    expect(await json(sandbox, run)).toMatchObject({ status: 'committed', objects: 2, source });
    expect(await json(sandbox, ['verify', ...AT, DESTINATION, '--deep'])).toMatchObject({
      status: 'ok',
      source,
    });
    expect(await json(sandbox, run)).toMatchObject({ status: 'unchanged', source });
    // Typed out, it is what is committed too.
    expect(await json(sandbox, ['run', source, `s3://${BUCKET}/${PREFIX}`])).toMatchObject({
      status: 'unchanged',
      source,
    });
  });

  describe('that is committed as the folder of its name', () => {
    const source = `s3://${BUCKET}/cf/E2EXAMPLE.2026-11-21-08`;
    const RANGE = ['--from', '2026-11-21T08', '--to', '2026-11-21T08'];
    const stateOf = async () => {
      const args = ['status', '--source', SOURCE, '--destination', DESTINATION, ...RANGE, '--json'];
      const { stdout } = await cli(sandbox, args);
      return (parseObject(stdout)['hours'] as { state: string }[])[0];
    };
    beforeEach(async () => {
      for (const name of ['a', 'b']) put(`cf/E2EXAMPLE.2026-11-21-08/${name}.log`);
      await json(sandbox, ['run', `${source}/`, `s3://${BUCKET}/${PREFIX}`]);
      expect(sourceOf(PREFIX)).toBe(`${source}/`);
    });

    it('is committed as it is written by the next run, with all that is committed', async () => {
      expect(await stateOf()).toMatchObject({ state: 'rolled-up', objects: 2 });
      const plan = await json(sandbox, ['plan', ...AT, SOURCE, DESTINATION]);
      expect(plan).toMatchObject({ expected: 'committed', source, objects: 2 });
      // In a process of its own, whose requests are counted from nothing.
      const alone = (args: string[], env: NodeJS.ProcessEnv) => start(args, env).ended;
      const run = await json(sandbox, ['run', ...AT, SOURCE, DESTINATION], alone);
      expect(run).toMatchObject({ status: 'committed', source, objects: 2, outputs: 1, reused: 1 });
      expect(run['requests']).toEqual({ ...(plan['requests'] as object), retries: 0 });
      expect(sourceOf(PREFIX)).toBe(source);
      expect(await stateOf()).toMatchObject({ state: 'rolled-up', objects: 2, rolledUp: 2 });
      expect(await json(sandbox, ['plan', ...AT, SOURCE, DESTINATION])).toMatchObject({
        expected: 'unchanged',
      });
      expect(await json(sandbox, ['run', ...AT, SOURCE, DESTINATION])).toMatchObject({ status: 'unchanged' });
      expect(await json(sandbox, ['verify', ...AT, DESTINATION, '--deep'])).toMatchObject({
        status: 'ok',
        objects: 2,
      });
    });

    it.each([
      [[]],
      [['--workers', '2']],
      [['--workers', '2', '--repack']],
      [['--codec', 'gzip', '--repack']],
    ])('takes in what came beside it, and its sources can be deleted: %j', async (options) => {
      put('cf/E2EXAMPLE.2026-11-21-08.late.log');
      expect(await stateOf()).toMatchObject({ state: 'late', objects: 3 });
      const run = await json(sandbox, ['run', ...AT, SOURCE, DESTINATION, ...options]);
      expect(run).toMatchObject({ status: 'committed', source, objects: 3 });
      expect(await json(sandbox, ['verify', ...AT, DESTINATION, '--deep'])).toMatchObject({ status: 'ok' });
      expect(await stateOf()).toMatchObject({ state: 'rolled-up', objects: 3 });
      const codec = options.filter(
        (option) => option !== '--repack' && option !== '--workers' && option !== '2',
      );
      const deleted = ['run', ...AT, SOURCE, DESTINATION, '--delete-source', ...codec];
      expect(await json(sandbox, deleted)).toMatchObject({ status: 'unchanged', deleted: { objects: 3 } });
      expect(sandbox.keys(BUCKET, 'cf/')).toEqual([]);
    });

    it.each([[[]], [['--workers', '2']]])(
      'loses none of them where it deletes at once: %j',
      async (options) => {
        const run = ['run', ...AT, SOURCE, DESTINATION, '--delete-source', '--symlink-manifest', ...options];
        expect(await json(sandbox, run)).toMatchObject({ status: 'committed', deleted: { objects: 2 } });
        const key = 'cf/E2EXAMPLE.2026-11-21-08/a.log';
        for (const name of [key, 'E2EXAMPLE.2026-11-21-08/a.log'])
          expect((await cli(sandbox, ['extract', ...AT, DESTINATION, name])).stdout).toBe(`${key}\n`);
        expect(await json(sandbox, ['run', ...AT, SOURCE, DESTINATION])).toMatchObject({
          status: 'unchanged',
          objects: 2,
        });
      },
    );
  });

  it('is deleted, filtered and grouped by names behind the last slash', async () => {
    for (const id of ['a1', 'a2', 'b1']) put(`cf/E2EXAMPLE.2026-11-21-08.${id}.log`);
    put('cf/E2EXAMPLE.2026-11-21-09.a1.log');
    const run = await json(sandbox, [
      ...['run', ...AT, SOURCE, DESTINATION, '--delete-source', '--exclude', 'E2EXAMPLE.*.a2.log'],
      ...['--group-by', '^E2EXAMPLE\\.{yyyy}-{MM}-{dd}-{HH}\\.([a-z])'],
    ]);
    expect(run).toMatchObject({
      status: 'committed',
      objects: 2,
      skipped: { filtered: 1 },
      deleted: { objects: 2 },
    });
    expect(sandbox.keys(BUCKET, 'cf/')).toEqual(
      ['E2EXAMPLE.2026-11-21-08.a2', 'E2EXAMPLE.2026-11-21-09.a1'].map((name) => `cf/${name}.log`),
    );
    expect(rolled(`${PREFIX}a/`)).toBe('cf/E2EXAMPLE.2026-11-21-08.a1.log\n');
  });

  it('is shared out among workers', async () => {
    for (const id of ['a1', 'a2', 'b1']) put(`cf/E2EXAMPLE.2026-11-21-08.${id}.log`);
    const run = await json(sandbox, ['run', ...AT, SOURCE, DESTINATION, '--workers', '2']);
    expect(run).toMatchObject({ status: 'committed', objects: 3 });
    expect(await json(sandbox, ['verify', ...AT, DESTINATION, '--deep'])).toMatchObject({ status: 'ok' });
  });
});

describe('a prefix without its slash', () => {
  const [SOURCE, FOLDER, DESTINATION] = ['raw/08', 'raw/08/', 'rolled/08/'].map(
    (key) => `s3://${BUCKET}/${key}`,
  ) as [string, string, string];

  it('is the folder where nothing lies beside it, as earlier releases had it: filters and groups too', async () => {
    for (const key of ['raw/08/web/a.log', 'raw/08/api/b.log', 'raw/08/x.tmp', 'raw/09/c.log']) put(key);
    const options = ['--exclude', 'x.*', '--group-by', '^([^/]+)/'];
    const plan = await json(sandbox, ['plan', SOURCE, DESTINATION, ...options]);
    const run = await json(sandbox, ['run', SOURCE, DESTINATION, ...options]);
    expect(run).toMatchObject({ status: 'committed', source: FOLDER, objects: 2, skipped: { filtered: 1 } });
    expect(run['requests']).toEqual({ ...(plan['requests'] as object), retries: 0 });
    expect(rolled('rolled/08/web/')).toBe('raw/08/web/a.log\n');
    expect(sourceOf('rolled/08/')).toBe(FOLDER);
    for (const typed of [FOLDER, SOURCE])
      expect(await json(sandbox, ['run', typed, DESTINATION, ...options])).toMatchObject({
        status: 'unchanged',
        source: FOLDER,
      });
    const workers = ['--workers', '2', '--repack', ...options];
    expect(await json(sandbox, ['run', SOURCE, DESTINATION, ...workers])).toMatchObject({
      source: FOLDER,
      objects: 2,
    });
  });

  it.each(['raw/08', 'raw/08/'])(
    'that lies empty can be written either way afterwards: %s',
    async (typed) => {
      const { stdout } = await cli(sandbox, ['run', SOURCE, DESTINATION, '--json', '--no-progress']);
      expect(parseObject(stdout)).toMatchObject({
        status: 'empty',
        source: SOURCE,
      });
      put('raw/08/a.log');
      expect(await json(sandbox, ['run', `s3://${BUCKET}/${typed}`, DESTINATION])).toMatchObject({
        status: 'committed',
        source: FOLDER,
      });
    },
  );

  it.each([
    ['behind', 'raw/08x.log'],
    ['before', 'raw/08-x.log'],
  ])('takes in what sorts %s the folder too, and says so', async (_, beside) => {
    put('raw/08/a.log');
    put(beside);
    for (const command of ['plan', 'run']) {
      const { code, stdout, stderr } = await cli(sandbox, [
        command,
        SOURCE,
        DESTINATION,
        '--json',
        '--no-progress',
      ]);
      const message = `${SOURCE} takes in what is in the folder (raw/08/a.log) and what is beside it (${beside}). For the folder alone, write ${FOLDER}.`;
      const warning = { code: 'FolderAndBeside', message, key: beside };
      expect({ code, stderr: parseObject(stderr) }).toEqual({ code: 0, stderr: { warning } });
      const result = parseObject(stdout);
      expect(result).toMatchObject({ source: SOURCE, objects: 2 });
      expect(result['warnings']).toEqual([warning]);
    }
    expect(sourceOf('rolled/08/')).toBe(SOURCE);
    // It stays what it was committed as, also once only the folder is left.
    sandbox.delete(BUCKET, beside);
    expect(await json(sandbox, ['run', SOURCE, DESTINATION])).toMatchObject({
      status: 'unchanged',
      source: SOURCE,
    });
  });

  it('is the folder where only empty objects lie beside it', async () => {
    for (const key of ['raw/08_$folder$', 'raw/08-empty', 'raw/08/']) put(key, '');
    put('raw/08/a.log');
    for (const status of ['committed', 'unchanged'])
      expect(await json(sandbox, ['run', SOURCE, DESTINATION])).toMatchObject({ status, source: FOLDER });
    put('raw/08_x.log');
    const { code, stderr } = await cli(sandbox, ['run', SOURCE, DESTINATION]);
    expect(code).toBe(1);
    expect(stderr).toContain('takes in raw/08_x.log too');
  });

  it('is looked around behind many empty objects too', async () => {
    for (let i = 0; i < 1001; i++) put(`raw/08-${String(i).padStart(4, '0')}`, '');
    put('raw/08/a.log');
    expect(await json(sandbox, ['run', SOURCE, DESTINATION])).toMatchObject({ source: FOLDER, objects: 1 });
  });

  it('of a folder that is committed is refused once keys lie beside it', async () => {
    put('raw/08/a.log');
    await json(sandbox, ['run', FOLDER, DESTINATION]);
    put('raw/08x.log');
    const { code, stderr } = await cli(sandbox, ['run', SOURCE, DESTINATION]);
    expect(code).toBe(1);
    expect(stderr).toContain(
      `rolled/08/_manifest.json is the rollup of ${FOLDER}, not of ${SOURCE}. ${SOURCE} takes in raw/08x.log too: write ${FOLDER} for the folder alone.`,
    );
    expect(await json(sandbox, ['run', FOLDER, DESTINATION])).toMatchObject({ status: 'unchanged' });
  });

  it('that the destination begins with is refused', async () => {
    const { code, stderr } = await cli(sandbox, [
      'run',
      `s3://${BUCKET}/logs`,
      `s3://${BUCKET}/logs-rolled/`,
    ]);
    expect(code).toBe(2);
    expect(stderr).toContain(`For the folder alone, write s3://${BUCKET}/logs/ as the source.`);
  });
});

// In a folder with signatures checked.
describe.each(['memory', 'folder'])('a prefix with empty segments, kept in %s', (storage) => {
  let folder: string;
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'prefixes-'));
    if (storage === 'memory') return;
    await sandbox.close();
    const credentials = { accessKeyId: 'test', secretAccessKey: 'test-secret' };
    sandbox = await startSandbox({ buckets: [BUCKET], folder, credentials });
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  it('is listed, read, copied, extracted and deleted as it is', async () => {
    const SOURCE = `s3://${BUCKET}//AWSLogs//08`;
    const DESTINATION = `s3://${BUCKET}//rolled//08/`;
    const large = 'x'.repeat(6 * 1024 ** 2);
    put('/AWSLogs//08-a.log');
    put('/AWSLogs//08-large.log', large);
    put('/AWSLogs/08-b.log');
    put('AWSLogs//08-c.log');
    const options = ['--target-size', '5MiB', '--part-size', '5MiB', '--newline', 'none'];
    const run = await json(sandbox, ['run', SOURCE, DESTINATION, ...options, '--delete-source']);
    expect(run).toMatchObject({
      status: 'committed',
      objects: 2,
      copied: 1,
      source: SOURCE,
      deleted: { objects: 2 },
    });
    expect(sandbox.keys(BUCKET, '')).toEqual(
      expect.arrayContaining(['/AWSLogs/08-b.log', 'AWSLogs//08-c.log', '/rolled//08/_manifest.json']),
    );
    expect(sandbox.keys(BUCKET, '/AWSLogs//')).toEqual([]);
    expect(rolled('/rolled//08/')).toHaveLength(large.length + '/AWSLogs//08-a.log\n'.length);
    expect((await cli(sandbox, ['extract', DESTINATION, '08-a.log'])).stdout).toBe('/AWSLogs//08-a.log\n');
    expect(await json(sandbox, ['verify', DESTINATION, '--deep'])).toMatchObject({ status: 'ok' });
  });
});

describe('placeholders', () => {
  const HOUR = ['--hour', '2026-11-21T08'];
  const [SOURCE, DESTINATION] = [`s3://${BUCKET}/raw/`, `s3://${BUCKET}/rolled/`];

  it('are filled in filters, and the manifest has them filled', async () => {
    for (const name of ['2026112108-a', '2026112109-a', '2026112108-b']) put(`raw/${name}.log`);
    const filters = ['--exclude', '*', '--include', '{yyyy}{MM}{dd}{HH}-*', '--group-by', '-([ab])'];
    const run = await json(sandbox, ['run', ...HOUR, SOURCE, DESTINATION, ...filters]);
    expect(run).toMatchObject({ objects: 2, skipped: { filtered: 1 } });
    expect(sandbox.get(BUCKET, 'rolled/_manifest.json')?.toString()).toContain('"include": "2026112108-*"');
    expect(await json(sandbox, ['verify', DESTINATION])).toMatchObject({ status: 'ok' });
  });

  it.each([
    [
      'a filter without an hour',
      ['--include', '{HH}-*'],
      'The filter "{HH}-*" has {HH} in it, and there is no hour that fills it: give --hour',
    ],
    ['groups without an hour', ['--group-by', '^{yyyy}-(.)'], 'groupBy "^{yyyy}-(.)" has {yyyy} in it'],
    [
      'codes of other programs in a filter',
      ['--include', '%Y-*'],
      '--include must have {yyyy}, which the hour fills, in place of "%Y"',
    ],
    [
      'codes of other programs in groups',
      ['--group-by', '^%H(.)'],
      '--group-by must have {HH}, which the hour fills, in place of "%H"',
    ],
    ['misspelt ones in groups', ['--group-by', '^{mm}(.)'], 'in place of "{mm}"'],
  ])('are refused: %s', async (_, options, message) => {
    const { code, stderr } = await cli(sandbox, ['run', SOURCE, DESTINATION, ...options]);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
    expect(sandbox.keys(BUCKET, 'rolled/')).toEqual([]);
  });

  it.each([
    [['run', `s3://${BUCKET}/raw/%Y/%m/`, DESTINATION], 'source "%Y" in'],
    [['run', ...HOUR, SOURCE, `s3://${BUCKET}/rolled/{yyyy}/%d/`], 'destination "%d" in'],
    [
      ['run', `s3://${BUCKET}/raw/!{timestamp:yyyy}/`, DESTINATION],
      'use {yyyy}, {MM}, {dd} and {HH}, which the hour fills',
    ],
    [['run', ...HOUR, `s3://${BUCKET}/raw/{yyyy}/{mm}/`, DESTINATION], '"{mm}" in'],
    [['verify', `s3://${BUCKET}/rolled/%H/`], '"%H" in'],
    [
      [
        'status',
        '--source',
        `s3://${BUCKET}/%F/`,
        '--destination',
        DESTINATION,
        '--from',
        '2026-11-21T08',
        '--to',
        '2026-11-21T09',
      ],
      'use {yyyy}-{MM}-{dd}',
    ],
    [['rerun', '--queue-url', 'http://127.0.0.1:9/q', '--source', `s3://${BUCKET}/%Y/`], 'use {yyyy}'],
  ])('of other programs are refused in locations: %j', async (args, message) => {
    const { code, stderr } = await cli(sandbox, args);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
  });
});

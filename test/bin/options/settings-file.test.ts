import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readSettingsFile, settingsOver } from '../../../bin/options/settings-file.ts';
import { DEFAULT_SETTINGS } from '../../../lambda/settings/settings.ts';
import { MiB } from '../../../lambda/size.ts';
import { type Sandbox, startSandbox } from '../../../sandbox/sandbox.ts';
import { BUCKET, environment, lines, parseObject, runInProcess } from '../command-line.ts';

const folder = mkdtempSync(join(tmpdir(), 's3-log-rollup-config-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

function write(content: unknown, name = 's3-log-rollup.json'): string {
  const file = join(folder, name);
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  return file;
}

/** The message with which a file is refused, without the file's name. */
function refusal(content: unknown, stackNames?: string[]): string {
  const file = write(content, 'refused.json');
  try {
    readSettingsFile(file, stackNames);
  } catch (error) {
    expect(error).toMatchObject({ code: 'InvalidArgument' });
    return String(error).replace(`RollupError: ${file}: `, '');
  }
  throw new Error('It was taken.');
}

describe('a settings file that is refused', () => {
  it.each<[string, unknown, string | RegExp]>([
    ['no JSON', '{"targetSize": }', /^it is not JSON: Unexpected token '}'.*[^\n]\.$/],
    ['a list', [1], 'it must be one JSON object, such as {"targetSize": "64MiB"}.'],
    [
      'a name that is close to one',
      { targetSise: 1 },
      'targetSise is no setting (did you mean targetSize?).',
    ],
    ['a name as a flag', { 'target-size': 1 }, 'target-size is no setting (did you mean targetSize?).'],
    ['a name that is close to none', { colour: 1 }, 'colour is no setting.'],
    ['a stack that is none', { stack: 'LogRollup' }, 'stack must be an object, of context values.'],
    [
      'a location that is a list',
      { source: ['s3://a/'] },
      'source must be text such as s3://bucket/prefix/{yyyy}{MM}{dd}/{HH}/.',
    ],
    [
      'values that are wrong, all of them',
      { concurrency: 0, newline: null, partSize: '1MiB', outputsInFlight: [2] },
      'partSize must be a size from 5 MiB (S3\'s smallest part) to 1 GiB, such as 32MiB, not "1MiB"; ' +
        'concurrency must be a whole number from 1 to 250, not "0"; ' +
        'outputsInFlight must be a whole number from 1 to 16, not [2]; ' +
        'newline must be ensure or none, not "null".',
    ],
    [
      'filters that are none',
      { filters: [{ include: '*' }, { inclde: '*' }], groupBy: '[' },
      'filters[1] must be {"include": glob} or {"exclude": glob}, not {"inclde":"*"}; ' +
        'groupBy must be a regular expression of JavaScript, not "[".',
    ],
    ['one filter', { filters: { include: '*' } }, /^filters must be a list of \{"include": glob\} and /],
  ])('%s', (_, content, expected) => {
    if (typeof expected === 'string') expect(refusal(content)).toBe(expected);
    else expect(refusal(content)).toMatch(expected);
  });

  it('an unknown value under stack, if the names of stack values are given', () => {
    const content = { stack: { rawRot: 'raw/' } };
    expect(refusal(content, ['rawRoot', 'streams'])).toBe(
      'stack.rawRot is no setting (did you mean stack.rawRoot?).',
    );
    expect(readSettingsFile(write(content)).stack).toEqual(content.stack);
  });
});

describe('a settings file', () => {
  it('may be absent, unless --config names it', () => {
    expect(readSettingsFile(undefined).settings).toEqual({});
    expect(() => readSettingsFile(join(folder, 'absent.json'))).toThrow(
      /absent\.json: it cannot be read: no such file or directory \(ENOENT\)\./,
    );
  });

  it('is overridden by typed flags, and errors in these name the flag', () => {
    const file = readSettingsFile(write({ targetSize: '64MiB', concurrency: 8 }));
    expect(settingsOver(file, { concurrency: '9', newline: undefined })).toEqual({
      ...DEFAULT_SETTINGS,
      targetSize: 64 * MiB,
      concurrency: 9,
    });
    expect(() => settingsOver(file, { targetSize: 'lots' })).toThrow('--target-size must be');
  });
});

describe('the command line with a settings file in its folder', () => {
  let sandbox: Sandbox;
  beforeAll(async () => {
    sandbox = await startSandbox({ buckets: [BUCKET] });
    for (let i = 0; i < 9; i++)
      sandbox.put(BUCKET, `raw/20261121/08/${i}.log`, lines(MiB, String(i)).slice(0, -1));
    write({
      $schema: './schema/s3-log-rollup.schema.json',
      source: `s3://${BUCKET}/raw/{yyyy}{MM}{dd}/{HH}/`,
      destination: `s3://${BUCKET}/rolled/{yyyy}{MM}{dd}/{HH}/`,
      targetSize: '5MiB',
      partSize: '5MiB',
      newline: 'none',
      graceSeconds: 60,
      stack: { rawBucketName: 'application-logs' },
    });
  });
  afterAll(() => sandbox.close());

  const HOUR = ['--hour', '2026-11-21T08'];
  const line = (...args: string[]) => runInProcess(args, environment(sandbox.endpoint, { INIT_CWD: folder }));
  const result = async (...args: string[]) =>
    parseObject((await line(...args, '--json', '--no-progress')).stdout);

  it('needs no typed locations, and lets flags override the file', async () => {
    expect(await result('plan', ...HOUR)).toMatchObject({
      source: `s3://${BUCKET}/raw/20261121/08/`,
      destination: `s3://${BUCKET}/rolled/20261121/08/`,
      outputs: [{ sources: 6 }, { sources: 3 }],
    });
    expect(await result('run', ...HOUR, '--target-size', '1GiB')).toMatchObject({
      status: 'committed',
      outputs: 1,
    });
    const manifest = sandbox.get(BUCKET, 'rolled/20261121/08/_manifest.json')?.toString() ?? '{}';
    expect(JSON.parse(manifest)).toMatchObject({
      settings: { targetSize: 1024 * MiB, partSize: 5 * MiB, newline: 'none' },
      totals: { bytes: 9 * (MiB - 1), outputBytes: 9 * (MiB - 1) },
    });
    expect(await result('verify', ...HOUR)).toMatchObject({ status: 'ok', objects: 9 });
    expect((await line('extract', ...HOUR, '3.log')).stdout).toBe(lines(MiB, '3').slice(0, -1));
    const range = ['--from', '2026-11-21T08', '--to', '2026-11-21T08'];
    expect(await result('status', ...range)).toMatchObject({ status: 'complete', hours: [{ outputs: 1 }] });
  });

  it('prefers a typed location to that of the file, and names a missing one', async () => {
    expect(await result('plan', `s3://${BUCKET}/other/`, `s3://${BUCKET}/rolled/other/`)).toMatchObject({
      source: `s3://${BUCKET}/other/`,
      expected: 'empty',
    });
    const bare = write({ source: 'raw/' }, 'bare.json');
    const { code, stderr } = await line('run', '--config', bare, '--concurrency', '0');
    expect(code).toBe(2);
    expect(stderr).toContain(`${bare}: source "raw/" is not a location`);
    expect(stderr).toContain(
      'destination is missing: type it, as s3://bucket/prefix/, or set "destination" in s3-log-rollup.json.',
    );
    expect(stderr).toContain('--concurrency must be a whole number');
  });
});

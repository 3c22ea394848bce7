import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formatFailure } from '../../../bin/output/failure.ts';
import { formatLines } from '../../../bin/output/output.ts';
import { type Sandbox, startSandbox } from '../../../sandbox/sandbox.ts';
import { BUCKET, DESTINATION, type Ended, SOURCE, cli, lines, parseObject } from '../command-line.ts';

/** Names that log writers may give objects, with control characters that a terminal obeys. */
const NAMES = [
  'a\u001b[31mred.log',
  'b\nfake: line.log',
  'c\rfake: over.log',
  'd\u202egpj.log',
  'e\u009b2Jfake: gone.log',
  'f\u2028fake: below.log',
  'g\u0007\u007f\u0008.log',
  'h\u2066isolated.log',
  'i\u200fright.log',
];
const [FIRST = ''] = NAMES;
const STRANGE = `s3://${BUCKET}/rolled/z\u001b[2J\nfake: destination/`;
const HOUR = ['--from', '2026-11-21T08', '--to', '2026-11-21T08'];

let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = await startSandbox({ buckets: [BUCKET] });
  for (const name of NAMES) sandbox.put(BUCKET, `raw/app/${name}`, lines(300));
  sandbox.put(BUCKET, 'raw/other/plain.log', lines(300));
  for (const name of NAMES) sandbox.put(BUCKET, `raw/odd/${name}.parquet`, 'PAR1\x15\x04');
  const done = await cli(sandbox, ['run', SOURCE, `s3://${BUCKET}/rolled/late/`, '--exclude', '*']);
  expect(done.code).toBe(0);
  const rolled = await cli(sandbox, ['run', SOURCE, DESTINATION]);
  expect(rolled.code).toBe(0);
  const [output = ''] = sandbox.keys(BUCKET, 'rolled/app/part-');
  for (const name of NAMES) sandbox.put(BUCKET, `raw/app/${name}.new`, output);
});
afterAll(() => sandbox.close());

/** Characters that a terminal obeys, except the line feeds with which the program ends its lines. */
// eslint-disable-next-line no-control-regex
const OBEYED = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/;

function expectPlain({ stdout, stderr }: Pick<Ended, 'stdout' | 'stderr'>): void {
  for (const text of [stdout, stderr]) {
    expect(text).not.toMatch(OBEYED);
    // Each of the names would begin a line with this, or overwrite one with it.
    expect(text.split('\n').filter((line) => /^\s*fake:/.test(line))).toEqual([]);
  }
}

const escaped = (text: string): string => formatLines([text]).slice(0, -1);

describe('names with control characters', () => {
  it.each<[string, string[], number, string]>([
    [
      'in filtered sources of plan',
      ['plan', SOURCE, DESTINATION.replace('app', 'no'), '--exclude', '*'],
      0,
      `raw/app/${FIRST}`,
    ],
    ['in a destination', ['plan', `s3://${BUCKET}/raw/other/`, STRANGE], 0, STRANGE],
    ['in the destination of a run', ['run', `s3://${BUCKET}/raw/other/`, STRANGE], 0, STRANGE],
    ['in late sources of verify', ['verify', DESTINATION], 1, `raw/app/${FIRST}.new`],
    ['in late sources of verify --deep', ['verify', DESTINATION, '--deep'], 1, `raw/app/${FIRST}.new`],
    [
      'in a key that is not in a rollup',
      ['extract', DESTINATION, 'no\u001b[2J\nfake: key', '--output', 'never.log'],
      1,
      'no\\u001b[2J\\u000afake: key',
    ],
    [
      'in a source that has no manifest',
      ['verify', `${DESTINATION}\u001b[2J\nfake: x/`],
      1,
      '\\u001b[2J\\u000afake: x/',
    ],
    [
      'in locations of status',
      ['status', '--source', SOURCE, '--destination', `s3://${BUCKET}/rolled/\u001b[2J\nfake: x/`, ...HOUR],
      1,
      'missing',
    ],
    ['in an unknown option', ['run', '--\u001b[2J\nfake: x'], 2, '\\u001b[2J'],
    ['in an unknown command', ['\u001b[2J\nfake: x'], 2, '\\u001b[2J'],
    [
      'in a settings file',
      ['plan', SOURCE, DESTINATION, '--config', '\u001b[2J\nfake: x'],
      2,
      '\\u001b[2J\\u000afake: x',
    ],
    [
      'in a setting',
      ['plan', SOURCE, DESTINATION, '--newline', '\u001b[2J\nfake: x'],
      2,
      '\\u001b[2J\\u000afake: x',
    ],
  ])('are escaped %s', async (_, args, code, shown) => {
    // A process each: JSON of the others is made by the same function.
    const modes = args[0] === 'verify' ? [[], ['--json', '--no-progress']] : [[]];
    for (const more of modes) {
      const ended = await cli(sandbox, [...args, ...more]);
      expectPlain(ended);
      expect(ended.code).toBe(code);
      if (!more.includes('--json')) expect(ended.stdout + ended.stderr).toContain(escaped(shown));
      else parseObject(ended.stdout === '' ? ended.stderr : ended.stdout);
    }
  });

  it.each(NAMES.slice(0, 4))('are escaped in the error of a run: %j', async (name) => {
    const include = ['--exclude', '*', '--include', `${name.replace('[', '[[]')}*`];
    const odd = await cli(sandbox, [
      'run',
      `s3://${BUCKET}/raw/odd/`,
      `s3://${BUCKET}/rolled/odd/`,
      ...include,
    ]);
    const grouped = [
      'run',
      SOURCE,
      `s3://${BUCKET}/rolled/groups/`,
      ...include,
      '--group-by',
      '^([^/]+)\\.log$',
    ];
    for (const ended of [odd, await cli(sandbox, grouped)]) {
      expectPlain(ended);
      expect(ended.code).not.toBe(0);
      expect(ended.stderr).toContain(escaped(name));
    }
    const asJson = await cli(sandbox, [...grouped, '--json', '--no-progress']);
    expectPlain(asJson);
    expect(parseObject(asJson.stderr)['error']).toMatchObject({ key: `raw/app/${name}` });
  });

  it('are exact in JSON and in extracted bytes', async () => {
    const { stdout } = await cli(sandbox, [
      'plan',
      SOURCE,
      `s3://${BUCKET}/rolled/no/`,
      '--exclude',
      '*.log',
      '--json',
    ]);
    expect(parseObject(stdout)['filtered']).toEqual(NAMES.map((name) => `raw/app/${name}`));
    for (const name of NAMES.slice(0, 3)) {
      const extracted = await cli(sandbox, ['extract', DESTINATION, name]);
      expect(extracted).toMatchObject({ code: 0, stdout: lines(300), stderr: '' });
    }
  });

  it('are escaped in a stack, too', () => {
    const env = process.env['DEBUG'];
    process.env['DEBUG'] = '1';
    try {
      const text = formatFailure(new Error(`a $& ${NAMES.join(' ')}`), { json: false });
      expectPlain({ stdout: '', stderr: text });
      expect(text).toMatch(/\nError: a \$& .*\n {4}at /);
    } finally {
      if (env === undefined) delete process.env['DEBUG'];
      else process.env['DEBUG'] = env;
    }
  });
});

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
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

const MiB = 2 ** 20;
const RUN = ['run', SOURCE, DESTINATION];

let sandbox: Sandbox;
beforeEach(async () => {
  sandbox = await startSandbox({ buckets: [BUCKET] });
});
afterEach(() => sandbox.close());

function fill(count: number, bytes: number): void {
  for (let i = 0; i < count; i++) {
    sandbox.put(BUCKET, `raw/app/${String(i).padStart(5, '0')}.log`, lines(bytes, String(i % 10)));
  }
}

it('run prints one object with --json: first committed, then unchanged', async () => {
  fill(7, MiB);
  sandbox.put(BUCKET, 'raw/app/marker/', '');
  const first = await json(sandbox, [...RUN, '--target-size', '5MiB']);
  expect(first).toEqual({
    status: 'committed',
    source: SOURCE,
    destination: DESTINATION,
    objects: 7,
    bytes: 7 * MiB,
    skipped: { empty: 1, filtered: 0 },
    outputs: 2,
    written: 2,
    reused: 0,
    copied: 0,
    manifest: `${DESTINATION}_manifest.json`,
    requests: { list: 4, get: 11, put: 13, copy: 0, delete: 3, retries: 0 },
    peak: {
      ...(process.platform === 'linux' ? { fileDescriptors: expect.any(Number) as number } : {}),
      connections: expect.any(Number) as number,
      rssBytes: expect.any(Number) as number,
      // Room for a newline each.
      inFlightBytes: 7 * MiB + 7,
    },
    durationSeconds: expect.any(Number) as number,
  });
  const again = await json(sandbox, [...RUN, '--target-size', '5MiB']);
  expect(again).toMatchObject({ status: 'unchanged', outputs: 2, written: 0, reused: 2 });
});

it('run fills the hour into both locations', async () => {
  sandbox.put(BUCKET, 'raw/20261121/08/a.log', 'a\n');
  const [source, destination] = ['raw', 'rolled'].map(
    (root) => `s3://${BUCKET}/${root}/{yyyy}{MM}{dd}/{HH}/`,
  );
  const result = await json(sandbox, ['run', source ?? '', destination ?? '', '--hour', '2026-11-21T08']);
  expect(result).toMatchObject({
    source: `s3://${BUCKET}/raw/20261121/08/`,
    destination: `s3://${BUCKET}/rolled/20261121/08/`,
    objects: 1,
  });
});

it('run prints a short table to stdout and progress to stderr, a line a phase', async () => {
  fill(20, 1_000);
  const { code, stdout, stderr } = await cli(sandbox, RUN);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^committed\n {2}source +s3:[\s\S]*objects +20, 19\.5 KiB \(0 empty skipped\)\n/);
  for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  expect(stderr).toMatch(
    /^listing: 20 objects listed\nrolling up: 0%, 0 of 20 objects, .*\ncommitting: 100%, 20 of 20 objects, .* 1 of 1 output, \d+ connections?.*\ndone: 20 of 20 objects, .*\n$/,
  );
  expect((await cli(sandbox, [...RUN, '--no-progress'])).stderr).toBe('');
});

it('run builds every output anew with --repack', async () => {
  fill(3, 1_000);
  await json(sandbox, RUN);
  const before = sandbox.keys(BUCKET, 'rolled/');
  expect(await json(sandbox, [...RUN, '--repack'])).toMatchObject({ status: 'committed', written: 1 });
  expect(sandbox.keys(BUCKET, 'rolled/').filter((key) => before.includes(key))).toEqual([
    'rolled/app/_manifest.json',
  ]);
});

it('run rolls 2,000 objects up with 128 descriptors', async () => {
  fill(2_000, 1_000);
  const args = [...RUN, '--concurrency', '64', '--json', '--no-progress'];
  const { code, stdout, stderr } = await start(args, environment(sandbox.endpoint), 'ulimit -n 128').ended;
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(parseObject(stdout)).toMatchObject({ status: 'committed', objects: 2_000 });
});

it('run ends with 0 although the reader of its output has closed the pipe', async () => {
  fill(1, 1_000);
  const reader = 'exec > >(exec true); wait $!';
  const { code, stderr } = await start([...RUN, '--no-progress'], environment(sandbox.endpoint), reader)
    .ended;
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
});

describe('a signal', () => {
  const SMALL = ['--target-size', '5MiB', '--part-size', '5MiB'];

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)(
    '%s ends the run cleanly: no upload stays open, what is written is kept',
    async (signal, code) => {
      fill(24, 1.2 * MiB);
      const { child, ended } = start(
        [...RUN, ...SMALL, '--json', '--no-progress'],
        environment(sandbox.endpoint),
      );
      let completed = 0;
      let sent = false;
      sandbox.hook = ({ operation, key = '' }) => {
        // Not that of a trial.
        if (operation === 'CompleteMultipartUpload' && key.includes('part-')) completed++;
        if (completed === 0 || operation !== 'UploadPart') return undefined;
        // Once: a second one would kill.
        if (!sent) child.kill(signal);
        sent = true;
        return { kind: 'hang' };
      };
      const { stderr, ...exit } = await ended;
      sandbox.hook = undefined;
      expect(exit).toEqual({ code, signal: null, stdout: '' });
      expect(parseObject(stderr)).toEqual({
        error: {
          code: 'Aborted',
          message: `Stopped by ${signal}. What is written is kept: run again to go on from there.`,
        },
      });
      expect(sandbox.openUploads(BUCKET)).toEqual([]);
      expect(sandbox.keys(BUCKET, 'rolled/app/_')).toEqual([]);

      const written = sandbox.keys(BUCKET, 'rolled/').length;
      const result = await json(sandbox, [...RUN, ...SMALL]);
      expect(written).toBeGreaterThan(0);
      expect(result).toMatchObject({ status: 'committed', outputs: 5, reused: written });
    },
  );

  it('that comes a second time kills the run', async () => {
    fill(12, 1.2 * MiB);
    const { child, ended } = start([...RUN, ...SMALL, '--no-progress'], environment(sandbox.endpoint));
    sandbox.hook = ({ operation }) => {
      if (operation !== 'UploadPart' && operation !== 'AbortMultipartUpload') return undefined;
      child.kill('SIGINT');
      return { kind: 'hang' };
    };
    expect(await ended).toMatchObject({ code: null, signal: 'SIGINT' });
  });
});

describe('help', () => {
  it('names every command, and each of them shows an example', async () => {
    const { code, stdout } = await cli(sandbox, ['--help']);
    expect(code).toBe(0);
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
    const [, list = ''] = /\nCommands:\n([\s\S]*?)\n\n/.exec(stdout) ?? [];
    const names = Array.from(list.matchAll(/^ {2}(\w+)/gm), ([, name = '']) => name).filter(
      (name) => name !== 'help',
    );
    expect(names).toEqual(expect.arrayContaining(['run', 'plan', 'verify']));
    for (const name of names) {
      const help = await cli(sandbox, [name, '--help']);
      expect(help).toMatchObject({ code: 0, stderr: '' });
      expect(help.stdout).toMatch(new RegExp(`\\nExamples?:\\n {2}\\$ s3-rollup ${name} `));
      for (const line of help.stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
    }
  });
});

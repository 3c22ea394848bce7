import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Sandbox, startSandbox } from '../../../sandbox/sandbox.ts';
import { figuresOf } from '../../support/figures.ts';
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
const FLAGS = ['--target-size', '5MiB', '--outputs-in-flight', '1', '--json', '--no-progress'];
const RUN = ['run', SOURCE, DESTINATION, ...FLAGS];

/** Runs in a process of its own, because it starts others and its memory is measured. */
const run = (args: string[], env: NodeJS.ProcessEnv) => start(args, env).ended;

let sandbox: Sandbox;
beforeEach(async () => {
  sandbox = await startSandbox({ buckets: [BUCKET] });
  for (let i = 0; i < 41; i++)
    sandbox.put(BUCKET, `raw/app/${String(i).padStart(5, '0')}.log`, lines(MiB, String(i % 10)));
});
afterEach(() => sandbox.close());

/** Ids of the running children of a process. */
function childrenOf(pid: number): number[] {
  const listed = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return listed.split(' ').filter(Boolean).map(Number);
}

const isOver = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return false;
  } catch {
    return true;
  }
};

const names = (prefix: string): string[] =>
  sandbox.keys(BUCKET, prefix).map((key) => key.slice(prefix.length));

const outputs = (prefix: string): string[] => names(prefix).filter((name) => name.startsWith('part-'));

/** Holds the first upload until `release` is called. `held` resolves when it has come. */
function holdFirstUpload(): { held: Promise<void>; release: () => void } {
  let release = (): void => undefined;
  const released = new Promise<undefined>(
    (resolve) =>
      (release = () => {
        resolve(undefined);
      }),
  );
  const held = new Promise<void>((resolve) => {
    sandbox.hook = ({ operation, key = '' }) => {
      if (operation !== 'PutObject' || !key.includes('/part-')) return undefined;
      resolve();
      return released;
    };
  });
  return { held, release };
}

it('run --workers shares the outputs out among processes, to the same outputs', async () => {
  const shared = await json(sandbox, [...RUN, '--workers', '2'], run);
  const alone = await json(sandbox, ['run', SOURCE, `s3://${BUCKET}/alone/`, ...FLAGS], run);
  expect(shared).toMatchObject({ status: 'committed', objects: 41, outputs: 9, written: 9, reused: 0 });
  expect(outputs('rolled/app/')).toEqual(outputs('alone/'));
  const [one, two] = [shared, alone].map(({ peak }) => peak as Record<string, number>);
  const [figures, figuresAlone] = ['rolled/app/', 'alone/'].map((prefix) =>
    figuresOf(sandbox, BUCKET, `${prefix}_manifest.json`),
  );
  expect([figures?.by, figuresAlone?.by]).toEqual(['workers', 'command-line']);
  // All processes together: each source is read once, and their memory is added up.
  expect(figures?.requests.get).toBeGreaterThanOrEqual(41);
  expect(figures?.peak.rssBytes).toBeGreaterThan(1.5 * (figuresAlone?.peak.rssBytes ?? Infinity));
  // Two processes, each with an output in memory.
  expect(one?.['inFlightBytes']).toBe(2 * (two?.['inFlightBytes'] ?? 0));
  expect(one?.['rssBytes']).toBeGreaterThan(1.5 * (two?.['rssBytes'] ?? Infinity));
  expect(await json(sandbox, [...RUN, '--workers', '2'], run)).toMatchObject({ status: 'unchanged' });
});

it('run --workers fails if a process is killed: nothing is committed, and another run reuses the outputs', async () => {
  const { held, release } = holdFirstUpload();
  const { child, ended } = start([...RUN, '--workers', '2'], environment(sandbox.endpoint));
  await held;
  const workers = childrenOf(child.pid ?? 0);
  expect(workers).toHaveLength(2);
  process.kill(workers[0] ?? 0, 'SIGKILL');
  release();
  const { code, stderr } = await ended;
  expect(code).toBe(1);
  expect(parseObject(stderr)).toMatchObject({ error: { code: 'WorkerEnded' } });
  expect(workers.every(isOver)).toBe(true);
  expect(names('rolled/app/')).not.toContain('_manifest.json');
  sandbox.hook = undefined;
  const there = outputs('rolled/app/').length;
  expect(await json(sandbox, [...RUN, '--workers', '2'], run)).toMatchObject({
    status: 'committed',
    written: 9 - there,
    reused: there,
  });
});

it('run --workers stops every process on SIGINT, and leaves no upload open', async () => {
  const { held, release } = holdFirstUpload();
  const { child, ended } = start([...RUN, '--workers', '2'], environment(sandbox.endpoint));
  await held;
  const workers = childrenOf(child.pid ?? 0);
  child.kill('SIGINT');
  release();
  expect((await ended).code).toBe(130);
  expect(workers.every(isOver)).toBe(true);
  expect(names('rolled/app/')).not.toContain('_manifest.json');
  expect(sandbox.openUploads(BUCKET)).toEqual([]);
});

it.each([
  ['before any of them began', 1],
  ['before one of them read it', 2],
  ['before the commit', 4],
])('run --workers fails if the plan is swapped %s, and nothing is committed', async (_, read) => {
  let reads = 0;
  sandbox.hook = ({ operation, key = '' }) => {
    if (operation === 'GetObject' && /_plan\/[0-9a-f]{16}\.json$/.test(key) && ++reads === read)
      sandbox.put(BUCKET, key, sandbox.get(BUCKET, key)?.toString().replace('raw/app/', 'raw/other/') ?? '');
    return undefined;
  };
  const { code, stderr } = await cli(sandbox, [...RUN, '--workers', '2']);
  expect(code).toBe(1);
  expect(parseObject(stderr)).toMatchObject({
    error: { code: 'BadPlan', message: expect.stringContaining('it was replaced after') as string },
  });
  expect(names('rolled/app/')).not.toContain('_manifest.json');
});

it('run refuses --workers 0', async () => {
  const { code, stderr } = await cli(sandbox, [...RUN, '--workers', '0']);
  expect(code).toBe(2);
  expect(parseObject(stderr)).toMatchObject({
    error: { message: expect.stringContaining('1 to 64') as string },
  });
});

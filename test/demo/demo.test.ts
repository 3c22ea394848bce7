import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { crc32 } from 'node:zlib';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type RawObject, rawLogs } from '../../demo/raw-logs.ts';
import { startSandbox } from '../../sandbox/sandbox.ts';
import { json } from '../bin/command-line.ts';

const DEMO = join(import.meta.dirname, '../../demo/main.ts');

let temporary: string;
beforeEach(() => {
  temporary = mkdtempSync(join(tmpdir(), 'demo-test-'));
});
afterEach(() => {
  rmSync(temporary, { recursive: true });
});

/** Starts the demo in a process group of its own, in which processes that it leaves behind can be found. */
function demo(...args: string[]) {
  const child = spawn(process.execPath, [DEMO, ...args], {
    detached: true,
    env: { ...process.env, TMPDIR: temporary },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const code = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const ended = Promise.all([code, text(child.stdout), text(child.stderr)]);
  return { child, ended: ended.then(([exit, stdout, stderr]) => ({ code: exit, stdout, stderr })) };
}

function expectNoProcess(group: number | undefined): void {
  expect(() => process.kill(-(group ?? NaN), 0)).toThrow('ESRCH');
}

it('the demo ends with 0, and leaves no process behind, and no file but its report', async () => {
  const { child, ended } = demo('--objects', '60');
  const { code, stdout } = await ended;
  expect(stdout).toMatch(/60 objects became 1 output\n/);
  expect(stdout).not.toContain('✘');
  expect(stdout).toMatch(/Everything came as expected\.\n$/);
  expect(code).toBe(0);
  expectNoProcess(child.pid);
  expect(readdirSync(temporary)).toEqual(['s3-log-rollup-demo.html']);
});

it('the demo keeps its bucket with --keep', async () => {
  const { code, stdout } = await demo('--objects', '20', '--keep').ended;
  expect(code).toBe(0);
  const [folder = ''] = readdirSync(temporary);
  expect(stdout).toContain(`--folder ${join(temporary, folder)} `);
  const sandbox = await startSandbox({ folder: join(temporary, folder) });
  try {
    const destination = 's3://application-logs/aggregated/checkout/20261121/08/';
    expect(await json(sandbox, ['verify', destination, '--deep'])).toMatchObject({
      status: 'ok',
      objects: 30,
    });
  } finally {
    await sandbox.close();
  }
});

it.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)('the demo leaves nothing behind when %s ends it half-way', async (signal, expected) => {
  const { child, ended } = demo('--objects', '200', '--keep');
  child.stderr.once('data', () => child.kill(signal));
  const { code, stderr } = await ended;
  expect(stderr).toContain(`Stopped by ${signal}.`);
  expect(code).toBe(expected);
  expectNoProcess(child.pid);
  expect(readdirSync(temporary)).toEqual([]);
});

it('the demo generates the same hour every time: whole lines of JSON, 100 KB to 1 MB an object, in key order', () => {
  const objects = [...rawLogs('raw/', 50)];
  const digest = (object: RawObject): string => `${object.key} ${crc32(object.body)}`;
  expect([...rawLogs('raw/', 50)].map(digest)).toEqual(objects.map(digest));
  expect(objects.map(({ key }) => key)).toEqual(objects.map(({ key }) => key).sort());
  for (const { body } of objects) {
    expect(body.length).toBeGreaterThan(99_000);
    expect(body.length).toBeLessThanOrEqual(1_000_000);
    const [first = ''] = body.toString().split('\n');
    expect(JSON.parse(first)).toMatchObject({ service: 'checkout' });
    expect(body.at(-1)).toBe(0x0a);
  }
});

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Sandbox, startSandbox } from '../../sandbox/sandbox.ts';
import { environment, json } from '../bin/command-line.ts';
import { runInShell, stepsOf } from './page-shell.ts';

/*
 * The commands of the guides, run one after the other as they stand in the page, over an hour of 120 objects; what they print is
 * compared with what the page shows.
 */

const BUCKET = 'application-logs';
const RAW = 'raw/checkout/20261121/08/';
const ROLLUP = 'aggregated/checkout/20261121/08/';

let sandbox: Sandbox;
let folder: string;
beforeEach(async () => {
  sandbox = await startSandbox({ buckets: [BUCKET] });
  folder = mkdtempSync(join(tmpdir(), 'guide-'));
  for (let i = 100; i < 220; i++)
    sandbox.put(BUCKET, `${RAW}app-${i}.log`, `a line of app ${i}\n`.repeat(3_000));
});
afterEach(async () => {
  rmSync(folder, { recursive: true });
  await sandbox.close();
});

/** Without the digests in names of outputs, which change with the defaults of settings. */
const masked = (text: string): string => text.replaceAll(/-[0-9a-f]{12}\b/g, '-<digest>');

/** Runs all steps of a page, and looks at what each prints. */
async function walk(name: string): Promise<void> {
  for (const { commands, printed } of stepsOf(name)) {
    const stdout = masked(await runInShell(commands, folder, environment(sandbox.endpoint)));
    if (printed !== undefined)
      expect(stdout.slice(0, masked(printed).length), commands).toBe(masked(printed));
  }
}

describe('the guides', () => {
  it('first hour: plan, run, verify, extract, and what undoes it', async () => {
    const before = sandbox.keys(BUCKET, 'raw/');
    await walk('guides/first-hour.md');
    expect(sandbox.keys(BUCKET, '')).toEqual(before);
  });

  it('undo an hour: what has expired in raw is restored, and the rollup deleted', async () => {
    const before = sandbox.keys(BUCKET, 'raw/');
    await json(sandbox, ['run', `s3://${BUCKET}/${RAW}`, `s3://${BUCKET}/${ROLLUP}`]);
    for (const key of before.slice(0, 100)) sandbox.delete(BUCKET, key);
    await walk('guides/undo.md');
    expect(sandbox.keys(BUCKET, '')).toEqual(before);
    expect(sandbox.get(BUCKET, `${RAW}app-107.log`)?.toString()).toBe('a line of app 107\n'.repeat(3_000));
  });
});

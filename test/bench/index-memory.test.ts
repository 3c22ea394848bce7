import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const SOURCES = 100_000;
/** Flags for a heap that cannot hold 100,000 sources. */
const HEAP = ['--max-old-space-size=64', '--max-semi-space-size=8'];

async function run(name: string, folder: string): Promise<string> {
  const script = join(import.meta.dirname, '../../bench/index-memory.ts');
  const child = fork(script, ['run', name, String(SOURCES), folder], { execArgv: HEAP, silent: true });
  const ended = once(child, 'exit').then(() => [{ status: 'ended without a result' }]);
  const [{ status }] = (await Promise.race([once(child, 'message'), ended])) as [{ status: string }];
  return status;
}

it('no later run holds the whole index of sources in memory', { timeout: 300_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'index-memory-'));
  try {
    const ends: Record<string, string> = {};
    for (const name of ['first', 'unchanged', 'late', 'status', 'verify', 'extract', 'delete', 'repack'])
      ends[name] = await run(name, folder);
    expect(ends).toEqual({
      first: 'committed',
      unchanged: 'unchanged',
      late: 'committed',
      status: 'rolled-up',
      verify: 'ok',
      extract: 'found',
      delete: 'unchanged',
      repack: 'committed',
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

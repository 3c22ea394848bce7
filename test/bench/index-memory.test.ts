import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, it } from 'vitest';

const SOURCES = 100_000;
/** A run that held all 100,000 sources at once would need more. */
const HEAP = ['--max-old-space-size=64', '--max-semi-space-size=8'];

/** The status of a run in a process of its own; of a process that failed, the last lines that it wrote. */
async function run(name: string, folder: string): Promise<string> {
  const script = join(import.meta.dirname, '../../bench/index-memory.ts');
  const child = fork(script, ['run', name, String(SOURCES), folder], { execArgv: HEAP, silent: true });
  const exited = once(child, 'exit');
  const [answer, errors] = await Promise.all([
    Promise.race([once(child, 'message'), exited.then(() => [])]) as Promise<[{ status: string }?]>,
    child.stderr === null ? '' : text(child.stderr),
  ]);
  await exited;
  if (answer[0] !== undefined) return answer[0].status;
  return /heap out of memory/.test(errors) ? 'out of memory' : errors.slice(-2_000);
}

it('no later run holds all that is committed', async () => {
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

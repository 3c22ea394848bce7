import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { page } from '../lib/markdown.ts';

/** The folder of this repository. */
export const ROOT = join(import.meta.dirname, '../..');

/** A block of shell commands of a page, and what the page says that it prints. */
export interface Step {
  commands: string;
  /** The beginning of what is printed; undefined where the page does not show it. */
  printed: string | undefined;
}

/** The `sh` blocks of a page, each with the `text` block right behind it. */
export function stepsOf(name: string): Step[] {
  const blocks = page(name).matchAll(/^```sh\n([^]*?)^```\n(?:\n```text\n([^]*?)^```\n)?/gm);
  return Array.from(blocks, ([, commands = '', printed]) => ({ commands, printed }));
}

/**
 * Runs commands of a page as they stand there, in a folder: `s3-rollup` is that of this checkout, and `aws` a stand-in.
 *
 * @param folder programs are put there, too
 * @param cwd where they are run, if it is not that folder
 * @throws Error with the commands and what they said, if one of them fails
 */
export async function runInShell(
  commands: string,
  folder: string,
  env: NodeJS.ProcessEnv,
  cwd = folder,
): Promise<string> {
  const tools = join(folder, '.tools');
  mkdirSync(tools, { recursive: true });
  const programs = { 's3-rollup': join(ROOT, 'bin/s3-rollup.ts'), aws: join(ROOT, 'test/docs/aws.ts') };
  for (const [name, file] of Object.entries(programs))
    writeFileSync(join(tools, name), `#!/bin/sh\nexec '${process.execPath}' '${file}' "$@"\n`, {
      mode: 0o755,
    });
  const child = spawn('bash', ['-eu', '-c', commands], {
    cwd,
    env: {
      ...env,
      NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'],
      PATH: `${tools}:${process.env['PATH'] ?? ''}`,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject).once('exit', resolve);
  });
  const [code, stdout, stderr] = await Promise.all([exited, text(child.stdout), text(child.stderr)]);
  if (code !== 0) throw new Error(`${commands}ended with ${String(code)}:\n${stdout}${stderr}`);
  return stdout;
}

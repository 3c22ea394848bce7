import { spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

/** What a program that ended well has printed. */
export interface Printed {
  stdout: string;
  stderr: string;
}

/** The environment of somebody who has never seen the repository: none of its programs is in PATH. */
export function outsideEnv(node?: string, more: Record<string, string> = {}): NodeJS.ProcessEnv {
  const path = (process.env['PATH'] ?? '').split(':').filter((folder) => !folder.includes('node_modules'));
  const { HOME, TMPDIR } = process.env;
  return { PATH: [...(node === undefined ? [] : [node]), ...path].join(':'), HOME, TMPDIR, CI: '1', ...more };
}

/** Runs a program in a folder. Throws with what it printed, unless it ends with one of the codes. */
export async function exec(
  program: string,
  args: string[],
  { cwd, env, codes = [0] }: { cwd: string; env: NodeJS.ProcessEnv; codes?: number[] },
): Promise<Printed> {
  const child = spawn(program, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', resolve);
  });
  const [code, stdout, stderr] = await Promise.all([ended, text(child.stdout), text(child.stderr)]);
  if (code !== null && codes.includes(code)) return { stdout, stderr };
  throw new Error(`${program} ${args.join(' ')} ended with ${String(code)}:\n${stdout}${stderr}`);
}

/** Installs packages into a folder, which becomes a package itself if it is none. */
export async function npmInstall(folder: string, packages: string[], node?: string): Promise<void> {
  const file = join(folder, 'package.json');
  if (!existsSync(file)) writeFileSync(file, '{ "private": true }\n');
  await exec('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', ...packages], {
    cwd: folder,
    env: outsideEnv(node),
  });
}

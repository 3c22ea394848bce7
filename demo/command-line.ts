import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

const CLI = join(import.meta.dirname, '../bin/s3-rollup.ts');

/** The command as a user would type it, on lines that fit a terminal. */
export function formatCommand(args: string[], indent: string): string {
  // Every location is on a line of its own.
  const words = args.map((arg) => (arg.startsWith('s3:') ? `\\\n${indent}    ${arg}` : arg));
  return `${indent}$ npm run --silent s3-rollup -- ${words.join(' ')}`;
}

/**
 * Runs the command line as a process of its own, and returns the JSON that it printed. Its progress goes to the demo's
 * stderr. Throws if it fails or is stopped.
 */
export async function runCommand(
  args: string[],
  { env, signal }: { env: Record<string, string>; signal: AbortSignal },
): Promise<unknown> {
  const child = spawn(process.execPath, [CLI, ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
    signal,
    killSignal: 'SIGKILL',
  });
  const exited = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', resolve);
  });
  const [printed, code] = await Promise.all([text(child.stdout), exited]);
  if (code !== 0) throw new Error(`${args[0] ?? ''} ended with ${String(code)}. ${printed}`);
  return JSON.parse(printed) as unknown;
}

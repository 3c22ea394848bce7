import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { vi } from 'vitest';
import type { Sandbox } from '../../sandbox/sandbox.ts';

export const BUCKET = 'logs';
export const SOURCE = `s3://${BUCKET}/raw/app/`;
export const DESTINATION = `s3://${BUCKET}/rolled/app/`;

const CLI = join(import.meta.dirname, '../../bin/s3-rollup.ts');

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface Started {
  child: ChildProcess;
  ended: Promise<Ended>;
}

/** Environment in which a process finds the sandbox, without the machine's own AWS configuration. */
export function environment(
  endpoint: string,
  more: Record<string, string | undefined> = {},
): NodeJS.ProcessEnv {
  return { PATH: process.env['PATH'], ...awsEnvironment(endpoint), ...more };
}

/** The variables by which AWS's clients find the sandbox, and nothing of the machine's. */
export function awsEnvironment(endpoint: string): Record<string, string> {
  return {
    AWS_ENDPOINT_URL: endpoint,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test-secret',
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_CONFIG_FILE: '/dev/null',
    AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
  };
}

/** Starts the command line as a process of its own; `shell` runs before it, in the same process. */
export function start(args: string[], env: NodeJS.ProcessEnv, shell?: string): Started {
  const command = [process.execPath, CLI, ...args] as const;
  const [file, ...rest] =
    shell === undefined ? command : (['bash', '-c', `${shell}; exec "$0" "$@"`, ...command] as const);
  const child = spawn(file, rest, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const exited = new Promise<Pick<Ended, 'code' | 'signal'>>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      resolve({ code, signal });
    });
  });
  const ended = Promise.all([exited, text(child.stdout), text(child.stderr)]).then(
    ([exit, stdout, stderr]) => ({
      ...exit,
      stdout,
      stderr,
    }),
  );
  return { child, ended };
}

let before: Promise<unknown> = Promise.resolve();

/**
 * Runs the command line in this process, one command at a time. Only the lines of bin/s3-rollup.ts that take arguments
 * from the process and set its exit code are left out. Tests of signals, descriptors, pipes and memory use `start`.
 */
export function runInProcess(args: string[], env: NodeJS.ProcessEnv): Promise<Ended> {
  const ended = before.then(() => runAlone(args, env));
  before = ended.catch(() => undefined);
  return ended;
}

async function runAlone(args: string[], env: NodeJS.ProcessEnv): Promise<Ended> {
  const { commands } = await import('../../bin/commands.ts');
  const { runProgram } = await import('../../bin/program.ts');
  const own = { env: { ...process.env }, exitCode: process.exitCode };
  const stdout = capture('stdout');
  const stderr = capture('stderr');
  replaceEnvironment(env);
  process.exitCode = undefined;
  try {
    const failed = await runProgram(commands, args);
    const code = failed ?? process.exitCode ?? 0;
    return { code, signal: null, stdout: stdout.text(), stderr: stderr.text() };
  } finally {
    process.exitCode = own.exitCode;
    replaceEnvironment(own.env);
    stdout.end();
    stderr.end();
  }
}

function replaceEnvironment(env: NodeJS.ProcessEnv): void {
  for (const name of Object.keys(process.env)) Reflect.deleteProperty(process.env, name);
  for (const [name, value] of Object.entries(env)) if (value !== undefined) process.env[name] = value;
}

/** Captures the text that is written to a stream of this process, until `end` is called. */
function capture(name: 'stdout' | 'stderr'): { text: () => string; end: () => void } {
  const stream = process[name];
  const listeners = stream.listeners('error');
  const chunks: Buffer[] = [];
  const write = vi.spyOn(stream, 'write').mockImplementation((chunk, ...rest: unknown[]) => {
    chunks.push(Buffer.from(chunk));
    const callback = rest.find((argument) => typeof argument === 'function');
    if (callback !== undefined) (callback as () => void)();
    return true;
  });
  return {
    text: () => Buffer.concat(chunks).toString(),
    end: () => {
      write.mockRestore();
      // A command leaves its error listeners on the streams, which end with its process otherwise.
      for (const listener of stream.listeners('error')) {
        if (!listeners.includes(listener)) stream.removeListener('error', listener as () => void);
      }
    },
  };
}

/** Runs a command in this process, against a sandbox. */
export function cli(sandbox: Pick<Sandbox, 'endpoint'>, args: string[]): Promise<Ended> {
  return runInProcess(args, environment(sandbox.endpoint));
}

/** The object that a command with `--json` prints. Throws with the command's stderr if it failed. */
export async function json(
  { endpoint }: Pick<Sandbox, 'endpoint'>,
  args: string[],
  run: (args: string[], env: NodeJS.ProcessEnv) => Promise<Ended> = runInProcess,
): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await run([...args, '--json', '--no-progress'], environment(endpoint));
  if (code !== 0) throw new Error(`${args.join(' ')} ended with ${String(code)}: ${stderr}`);
  if (stderr !== '') throw new Error(`stderr: ${stderr}`);
  return parseObject(stdout);
}

/** Parses exactly one JSON object on one line. */
export function parseObject(line: string): Record<string, unknown> {
  if (!/^\{.*\}\n$/.test(line)) throw new Error(`Not one JSON object on one line: ${line}`);
  return JSON.parse(line) as Record<string, unknown>;
}

export function lines(bytes: number, of = 'x'): string {
  const line = `${of.repeat(99)}\n`;
  return line.repeat(Math.ceil(bytes / line.length)).slice(-Math.floor(bytes));
}

import { type ChildProcess, fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { inject } from 'vitest';
import { z } from 'zod';

export interface Invocation {
  id: string;
  event: unknown;
  /** What the context says is left at the start; a second of it passes in a second / `speed`. */
  remainingMs: number;
  speed: number;
}

export interface Usage {
  descriptors: number;
  /** After a collection, where the process has --expose-gc. */
  rssBytes: number;
}

/** What came of an invocation: a result, or what Lambda makes of an error. */
export interface Answer {
  id: string;
  result?: unknown;
  failure?: { errorType: string; errorMessage: string };
  leftMs: number;
  usage: Usage;
}

export type LogLine = Record<string, unknown>;

export interface Invoked extends Answer {
  /** Lines of the log, without metrics. */
  log: LogLine[];
  /** Documents in CloudWatch's embedded metric format. */
  metrics: LogLine[];
}

export interface LambdaProcess extends AsyncDisposable {
  importMs: number;
  invoke: (event: unknown, clock?: { remainingMs?: number; speed?: number }) => Promise<Invoked>;
}

const RUNTIME = join(import.meta.dirname, 'lambda-runtime.ts');
const lineSchema = z.record(z.string(), z.unknown());

export interface LambdaOptions {
  env: Record<string, string>;
  execArgv?: string[];
}

/** A process with nothing but this environment that has imported the bundle. */
export async function startLambda({ env, execArgv = [] }: LambdaOptions): Promise<LambdaProcess> {
  const child = fork(RUNTIME, [join(inject('bundle'), 'index.mjs')], {
    env: {
      NODE_OPTIONS: '--enable-source-maps --no-warnings',
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
      AWS_LAMBDA_FUNCTION_NAME: 'rollup',
      POWERTOOLS_SERVICE_NAME: 'LogRollup',
      ...env,
    },
    execArgv,
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  const importMs = z.object({ importMs: z.number() }).parse((await once(child, 'message'))[0]).importMs;
  const output = collect(child);
  return {
    importMs,
    invoke: async (event, { remainingMs = 900_000, speed = 1 } = {}) => {
      const id = randomUUID();
      const written = output(id);
      child.send({ id, event, remainingMs, speed } satisfies Invocation);
      const [answer] = (await once(child, 'message')) as [Answer];
      const lines = await written;
      const metrics = lines.filter((line) => '_aws' in line);
      return { ...answer, log: lines.filter((line) => !metrics.includes(line)), metrics };
    },
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode !== null) return;
      const exited = once(child, 'exit');
      child.kill();
      await exited;
    },
  };
}

/** The lines on stdout up to the one that ends an invocation. */
function collect(child: ChildProcess): (id: string) => Promise<LogLine[]> {
  if (child.stdout === null) throw new Error('The process has no stdout.');
  let lines: LogLine[] = [];
  const waiting = new Map<string, (lines: LogLine[]) => void>();
  createInterface({ input: child.stdout }).on('line', (text) => {
    const line = lineSchema.parse(JSON.parse(text));
    if (typeof line['endOf'] !== 'string') {
      lines.push(line);
      return;
    }
    waiting.get(line['endOf'])?.(lines);
    waiting.delete(line['endOf']);
    lines = [];
  });
  return (id) => new Promise((resolve) => waiting.set(id, resolve));
}

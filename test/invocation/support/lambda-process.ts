import { type ChildProcess, fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { inject } from 'vitest';
import { z } from 'zod';
import { LAMBDA_FLAGS } from '../../../bench/process/node-flags.ts';

export interface Invocation {
  id: string;
  event: unknown;
  /** The context says this at the start. */
  remainingMs: number;
}

/** The time of an invocation. It passes as tests say, however fast the machine is. */
export const INVOCATION_MS = 900_000;

/** Tells the process that time has passed. */
export interface Passing {
  passMs: number;
}

/** Asks what the process uses. */
export interface Measuring {
  measures: true;
}

export interface Usage {
  descriptors: number;
  /** Resident memory after a garbage collection. */
  rssBytes: number;
}

/** The answer of an invocation: a result, or an error as Lambda returns it. */
export interface Answer {
  id: string;
  result?: unknown;
  failure?: { errorType: string; errorMessage: string };
  leftMs: number;
}

export type LogLine = Record<string, unknown>;

export interface Invoked extends Answer {
  /** Lines of the log, without metrics. */
  log: LogLine[];
  /** Documents in CloudWatch's embedded metric format. */
  metrics: LogLine[];
}

export interface LambdaProcess extends AsyncDisposable {
  /** Processor time that importing the bundle took. */
  importMs: number;
  invoke: (event: unknown) => Promise<Invoked>;
  /**
   * Has so much of the time of the invocation pass, and returns when its timers have gone off. When all of its time is
   * over it is killed.
   */
  pass: (ms: number) => Promise<void>;
  /** What is in use between invocations. */
  usage: () => Promise<Usage>;
}

const RUNTIME = join(import.meta.dirname, 'lambda-runtime.ts');
const lineSchema = z.record(z.string(), z.unknown());

export interface LambdaOptions {
  env: Record<string, string>;
  execArgv?: string[];
  /**
   * Folder of the bundle.
   *
   * @defaultValue that of the synthesis of this test run
   */
  bundle?: string;
}

/** Starts a process with only this environment, which imports the bundle. */
export async function startLambda({
  env,
  execArgv = [],
  bundle = inject('bundle'),
}: LambdaOptions): Promise<LambdaProcess> {
  const child = fork(RUNTIME, [join(bundle, 'index.mjs')], {
    env: {
      NODE_OPTIONS: '--enable-source-maps --no-warnings',
      // Beside the bundle, and deleted with it. What a start of Lambda takes, which has none, is measured without it.
      NODE_COMPILE_CACHE: join(dirname(bundle), 'compiled'),
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
      AWS_LAMBDA_FUNCTION_NAME: 'rollup',
      POWERTOOLS_SERVICE_NAME: 'LogRollup',
      ...env,
    },
    execArgv: [...LAMBDA_FLAGS, ...execArgv],
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  const importMs = z.object({ importMs: z.number() }).parse((await once(child, 'message'))[0]).importMs;
  const exited = once(child, 'exit');
  const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)];
  let leftMs = INVOCATION_MS;
  return {
    importMs,
    invoke: async (event) => {
      const id = randomUUID();
      const written = Promise.all([stdout(id), stderr(id)]);
      leftMs = INVOCATION_MS;
      child.send({ id, event, remainingMs: INVOCATION_MS } satisfies Invocation);
      const answer = await Promise.race([messageWith<Answer>(child, 'id'), exited.then(() => timedOut(id))]);
      const lines = (await written).flat();
      const metrics = lines.filter((line) => '_aws' in line);
      return { ...answer, log: lines.filter((line) => !metrics.includes(line)), metrics };
    },
    pass: async (ms) => {
      const passed = messageWith(child, 'passedMs');
      child.send({ passMs: ms } satisfies Passing);
      await passed;
      leftMs -= ms;
      if (leftMs <= 0) child.kill('SIGKILL');
    },
    usage: async () => {
      const measured = messageWith<{ usage: Usage }>(child, 'usage');
      child.send({ measures: true } satisfies Measuring);
      return (await measured).usage;
    },
    [Symbol.asyncDispose]: async () => {
      child.kill();
      await exited;
    },
  };
}

/** The next message of the process that has a field of this name. */
async function messageWith<T>(child: ChildProcess, field: string): Promise<T> {
  for (;;) {
    const [message] = (await once(child, 'message')) as [object];
    if (field in message) return message as T;
  }
}

/** What Lambda answers for a function that it killed. */
function timedOut(id: string): Answer {
  const failure = { errorType: 'Sandbox.Timedout', errorMessage: 'Task timed out' };
  return { id, failure, leftMs: 0 };
}

/** Collects the lines up to the one that ends an invocation, or to the end of the process. Lines that are not JSON become `text`. */
function collect(stream: Readable | null): (id: string) => Promise<LogLine[]> {
  if (stream === null) throw new Error('The process has no output.');
  let lines: LogLine[] = [];
  const waiting = new Map<string, (lines: LogLine[]) => void>();
  const reader = createInterface({ input: stream });
  reader.on('close', () => {
    for (const end of waiting.values()) end(lines);
  });
  reader.on('line', (text) => {
    const line = text.startsWith('{') ? lineSchema.parse(JSON.parse(text)) : { text };
    if (!('endOf' in line)) {
      lines.push(line);
      return;
    }
    waiting.get(String(line['endOf']))?.(lines);
    waiting.delete(String(line['endOf']));
    lines = [];
  });
  return (id) => new Promise((resolve) => waiting.set(id, resolve));
}

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { WatchedBucket } from './watched-bucket.ts';

const RUNNER = join(import.meta.dirname, 'crash-runner.ts');

/** How many processes are started ahead: one a core of CI. */
const AHEAD = 2;

/** Processes that stand ready to run an hour; the next ones are always being started. */
export class Runners implements Disposable {
  readonly #next = Array.from({ length: AHEAD }, start);

  async #take(): Promise<ChildProcess> {
    this.#next.push(start());
    const child = this.#next.shift() ?? start();
    if (child.stdout !== null) await once(child.stdout, 'data');
    return child;
  }

  /**
   * Runs the hour in a process that is killed (SIGKILL) at its n-th request, before or after that took effect, or after
   * some milliseconds. False where it ended before.
   */
  async runAndKill(
    bucket: WatchedBucket,
    when: KillWhen,
    options: { repack?: boolean } = {},
  ): Promise<boolean> {
    const child = await this.#take();
    const exited = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
    const kill = (): void => {
      child.kill('SIGKILL');
    };
    let requests = 0;
    bucket.sandbox.hook = async () => {
      bucket.watch.check();
      requests++;
      if (!('request' in when) || requests < when.request) return undefined;
      // From here on nothing of this process is to take effect but, where it is said so, this request.
      if (requests === when.request && when.effect) return { kind: 'reset-after' };
      kill();
      await exited;
      return { kind: 'reset' };
    };
    const { repack = false } = options;
    const { targetSize, codec, headerLines } = bucket.settings;
    child.stdin?.write(
      `${JSON.stringify({ endpoint: bucket.sandbox.endpoint, repack, targetSize, codec, headerLines })}\n`,
    );
    const timer = 'ms' in when ? setTimeout(kill, when.ms) : undefined;
    const [, signal] = await exited;
    clearTimeout(timer);
    bucket.sandbox.hook = undefined;
    return signal === 'SIGKILL';
  }

  [Symbol.dispose](): void {
    for (const child of this.#next) child.kill();
  }
}

export type KillWhen = { request: number; effect: boolean } | { ms: number };

function start(): ChildProcess {
  return spawn(process.execPath, [RUNNER], { stdio: ['pipe', 'pipe', 'inherit'] });
}

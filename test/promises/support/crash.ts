import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildSync } from 'esbuild';
import type { WatchedBucket } from './watched-bucket.ts';

const RUNNER = join(import.meta.dirname, 'crash-runner.ts');

/** How many processes are started ahead: one a core of CI. */
const AHEAD = 2;

/** Processes that stand ready to run an hour; the next ones are always being started. */
export class Runners implements Disposable {
  /** Of the bundle, and of its compiled code. */
  readonly #folder = mkdtempSync(join(tmpdir(), 'crash-runner-'));
  readonly #bundle = join(this.#folder, 'crash-runner.mjs');
  readonly #next: ChildProcess[];

  constructor() {
    // One file, because the hundreds of modules take longer to load than the run takes.
    buildSync({
      entryPoints: [RUNNER],
      outfile: this.#bundle,
      bundle: true,
      minify: true,
      platform: 'node',
      format: 'esm',
      target: 'node24',
      banner: {
        js: 'import{createRequire}from"node:module";const require=createRequire(import.meta.url);',
      },
      logLevel: 'warning',
    });
    this.#next = Array.from({ length: AHEAD }, () => this.#start());
  }

  #start(): ChildProcess {
    return spawn(process.execPath, [this.#bundle], {
      env: { ...process.env, NODE_COMPILE_CACHE: join(this.#folder, 'compiled') },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
  }

  async #take(): Promise<ChildProcess> {
    this.#next.push(this.#start());
    const child = this.#next.shift() ?? this.#start();
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
    for (const child of this.#next) child.kill('SIGKILL');
    // Again where one of them was still writing compiled code.
    rmSync(this.#folder, { recursive: true, maxRetries: 5 });
  }
}

export type KillWhen = { request: number; effect: boolean } | { ms: number };

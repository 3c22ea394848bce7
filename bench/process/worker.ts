import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { basename } from 'node:path';
import { say } from '../report/say.ts';
import type { Answer } from './orders.ts';

/** A process of its own, so that what is measured of it is its own alone. */
export class Worker<Order> {
  readonly #child: ChildProcess;
  readonly #exited: Promise<never>;
  #ending = false;

  /** `nodeFlags`: otherwise those of this process. */
  constructor(module: string, environment: NodeJS.ProcessEnv = {}, nodeFlags: string[] = process.execArgv) {
    // stdout is for the result.
    this.#child = fork(module, {
      stdio: ['ignore', 2, 2, 'ipc'],
      env: { ...process.env, ...environment },
      execArgv: nodeFlags,
    });
    this.#exited = once(this.#child, 'exit').then(([code, signal]) => {
      const message = `${basename(module)} ended: ${String(signal ?? code)}.`;
      // What others meet is a consequence: connections that are reset.
      if (!this.#ending) say(message);
      throw new Error(message);
    });
    this.#exited.catch(() => undefined);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** One order at a time; its answer. */
  async ask<Value>(order: Order): Promise<Value> {
    const answered = once(this.#child, 'message') as Promise<[Answer]>;
    this.#child.send(order as object);
    const [answer] = await Promise.race([answered, this.#exited]);
    if ('error' in answer) throw new Error(answer.error);
    // The protocol of this repository alone, both ends of it in the same commit.
    return answer.value as Value;
  }

  async end(): Promise<void> {
    this.#ending = true;
    if (this.#child.connected) this.#child.disconnect();
    await this.#exited.catch(() => undefined);
  }
}

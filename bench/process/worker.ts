import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { basename } from 'node:path';
import { say } from '../report/say.ts';
import type { Answer } from './orders.ts';

/** A process of its own, so that it is measured alone. */
export class Worker<Order> {
  readonly #child: ChildProcess;
  readonly #exited: Promise<never>;
  #ending = false;

  /** @param nodeFlags default: those of this process */
  constructor(module: string, environment: NodeJS.ProcessEnv = {}, nodeFlags: string[] = process.execArgv) {
    // stdout is for the result.
    this.#child = fork(module, {
      stdio: ['ignore', 2, 2, 'ipc'],
      env: { ...process.env, ...environment },
      execArgv: nodeFlags,
    });
    this.#exited = once(this.#child, 'exit').then(([code, signal]) => {
      const message = `${basename(module)} ended: ${String(signal ?? code)}.`;
      // Failures of other processes, such as reset connections, are a consequence of this one.
      if (!this.#ending) say(message);
      throw new Error(message);
    });
    this.#exited.catch(() => undefined);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Gives an order and waits for its answer. Only one order may be open at a time. */
  async ask<Value>(order: Order): Promise<Value> {
    const answered = once(this.#child, 'message') as Promise<[Answer]>;
    this.#child.send(order as object);
    const [answer] = await Promise.race([answered, this.#exited]);
    if ('error' in answer) throw new Error(answer.error);
    // Both ends of this protocol are in this repository, so the answer is not checked.
    return answer.value as Value;
  }

  async end(): Promise<void> {
    this.#ending = true;
    if (this.#child.connected) this.#child.disconnect();
    await this.#exited.catch(() => undefined);
  }
}

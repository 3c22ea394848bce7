import pLimit, { type LimitFunction } from 'p-limit';
import { FirstFailure } from '../../concurrency.ts';

/** An async function: it never throws before it returns its promise. */
type Task = () => Promise<void>;

interface Batch {
  tasks: Iterator<Task>;
  /** Tasks that were begun and have not ended. */
  running: number;
  /** True once every task was begun, or one failed. */
  drained: boolean;
  failures: FirstFailure;
  /** Resolves the batch if it is drained and nothing is running. */
  settle: () => void;
}

/**
 * Runs downloads under one limit over all outputs. A task is made when there is a slot for it, the earliest output's
 * first: tasks that wait cost no memory, and the output that is wanted next gets all of the bandwidth.
 */
export class DownloadQueue {
  readonly #limit: LimitFunction;
  readonly #stop: AbortController;
  readonly #batches: Batch[] = [];
  #lanes = 0;

  /**
   * @param concurrency downloads in flight
   * @param stop aborted on the first failure
   */
  constructor(concurrency: number, stop: AbortController) {
    this.#limit = pLimit(concurrency);
    this.#stop = stop;
  }

  /** Waits for every task that was begun. Once one fails, no other is begun, and the first failure is thrown. */
  async all(tasks: Iterable<Task>): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const batch: Batch = {
      tasks: tasks[Symbol.iterator](),
      running: 0,
      drained: false,
      failures: new FirstFailure(this.#stop),
      settle: () => {
        if (batch.drained && batch.running === 0) resolve(undefined);
      },
    };
    this.#batches.push(batch);
    while (this.#lanes < this.#limit.concurrency) {
      this.#lanes++;
      void this.#limit(() => this.#runLane());
    }
    await promise;
    batch.failures.throwIfFailed();
  }

  /** Runs a single task in its turn and returns its result; a failure of it is thrown here and stops no other task. */
  one<T>(task: () => Promise<T>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const settled = async (): Promise<void> => {
      try {
        resolve(await task());
      } catch (error) {
        reject(error);
      }
    };
    void this.all([settled]);
    return promise;
  }

  /** Runs task after task, until there is none. */
  async #runLane(): Promise<void> {
    for (let begun = this.#beginNext(); begun !== undefined; begun = this.#beginNext()) await begun;
    this.#lanes--;
  }

  #beginNext(): Promise<void> | undefined {
    for (let batch = this.#batches[0]; batch !== undefined; batch = this.#batches[0]) {
      const next = batch.failures.failed ? undefined : batch.tasks.next();
      if (next !== undefined && next.done !== true) return this.#run(batch, next.value);
      this.#batches.shift();
      batch.drained = true;
      batch.settle();
    }
    return undefined;
  }

  async #run(batch: Batch, task: Task): Promise<void> {
    batch.running++;
    await batch.failures.watch(task()).catch(() => undefined);
    batch.running--;
    batch.settle();
  }
}

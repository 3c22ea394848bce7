import { RollupError, hasCode } from './errors.ts';

/**
 * Begins a task for each item and yields the results in the order of the items. At most `ahead` tasks are begun whose
 * results were not yielded yet. On the first failure, `stop` is aborted and all tasks are waited for; then it is thrown.
 * The same happens to tasks in flight when the reader of the results ends early.
 *
 * @param stop the tasks have to end when its signal is aborted
 */
export async function* inOrder<T, R>(
  items: AsyncIterable<T>,
  ahead: number,
  stop: AbortController,
  begin: (item: T) => Promise<R>,
): AsyncGenerator<R> {
  const begun: Promise<R>[] = [];
  const failures = new FirstFailure(stop);
  try {
    for await (const item of items) {
      failures.throwIfAny();
      begun.push(failures.watch(begin(item)));
      if (begun.length >= ahead) yield await (begun.shift() as Promise<R>);
    }
    for (let next = begun.shift(); next !== undefined; next = begun.shift()) yield await next;
  } catch (error) {
    stop.abort(aborted());
    await Promise.allSettled(begun);
    failures.throwIfAny();
    throw error;
  } finally {
    // Tasks are left here if the reader ended early.
    if (begun.length > 0) stop.abort(aborted());
    await Promise.allSettled(begun);
  }
}

/**
 * Waits for all tasks and returns their results in order. On the first failure, `stop` is aborted and all tasks are waited
 * for; then it is thrown.
 */
export async function allOrFirstFailure<T>(tasks: Promise<T>[], stop: AbortController): Promise<T[]> {
  const failures = new FirstFailure(stop);
  const settled = await Promise.allSettled(tasks.map((task) => failures.watch(task)));
  failures.throwIfAny();
  return settled.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
}

/**
 * Watches tasks that end together: the first failure aborts `stop`, and the failures of tasks that end because of that are
 * told apart from it.
 */
export class FirstFailure {
  readonly #stop: AbortController;
  #first: { error: unknown } | undefined;
  #last: { error: unknown } | undefined;

  constructor(stop: AbortController) {
    this.#stop = stop;
  }

  /** Returns the task itself. */
  watch<T>(task: Promise<T>): Promise<T> {
    task.catch((error: unknown) => {
      if (!(this.#stop.signal.aborted && isAbort(error))) this.#first ??= { error };
      this.#last = { error };
      this.#stop.abort(aborted());
    });
    return task;
  }

  /** True once any task has failed, also because it was stopped. */
  get failed(): boolean {
    return this.#last !== undefined;
  }

  /** Throws the first failure; not that of a task that failed because it was stopped. */
  throwIfAny(): void {
    if (this.#first !== undefined) throw this.#first.error;
  }

  /** Throws the first failure; if there is none, that of a task that was stopped. */
  throwIfFailed(): void {
    this.throwIfAny();
    if (this.#last !== undefined) throw this.#last.error;
  }
}

function isAbort(error: unknown): boolean {
  return hasCode(error, 'Aborted') || (error instanceof Error && error.name === 'AbortError');
}

/** The error that a stopped task ends with. */
export function aborted(): RollupError {
  return new RollupError('Aborted', 'The run was stopped.');
}

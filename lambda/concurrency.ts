import { RollupError, hasCode } from './errors.ts';

/**
 * Begins a task for every item as it comes, and yields the results in the order of the items: no more than `ahead` are
 * begun and not yet taken. On the first failure the others are told to stop and waited for; then it is thrown.
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
    // Whoever takes no more leaves nothing behind.
    if (begun.length > 0) stop.abort(aborted());
    await Promise.allSettled(begun);
  }
}

/** Waits for every task. Where one fails, the others are told to stop, and what failed first is thrown. */
export async function allOrFirstFailure<T>(tasks: Promise<T>[], stop: AbortController): Promise<T[]> {
  const failures = new FirstFailure(stop);
  const settled = await Promise.allSettled(tasks.map((task) => failures.watch(task)));
  failures.throwIfAny();
  return settled.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
}

/** Of tasks that are ended together: what failed first, and not because it was told to stop. */
export class FirstFailure {
  readonly #stop: AbortController;
  #first: { error: unknown } | undefined;
  #last: { error: unknown } | undefined;

  constructor(stop: AbortController) {
    this.#stop = stop;
  }

  watch<T>(task: Promise<T>): Promise<T> {
    task.catch((error: unknown) => {
      if (!(this.#stop.signal.aborted && isAbort(error))) this.#first ??= { error };
      this.#last = { error };
      this.#stop.abort(aborted());
    });
    return task;
  }

  get failed(): boolean {
    return this.#last !== undefined;
  }

  /** Passes over those that were told to stop. */
  throwIfAny(): void {
    if (this.#first !== undefined) throw this.#first.error;
  }

  throwIfFailed(): void {
    this.throwIfAny();
    if (this.#last !== undefined) throw this.#last.error;
  }
}

function isAbort(error: unknown): boolean {
  return hasCode(error, 'Aborted') || (error instanceof Error && error.name === 'AbortError');
}

export function aborted(): RollupError {
  return new RollupError('Aborted', 'The run was stopped.');
}

type Action = () => void;

interface Scheduled {
  at: number;
  /** Order of scheduling, which decides between events at the same time. */
  order: number;
  action: Action;
}

/** A clock that jumps from one event to the next. The events are in a binary heap. */
export class Events {
  readonly #heap: Scheduled[] = [];
  #order = 0;
  now = 0;

  at(at: number, action: Action): void {
    const heap = this.#heap;
    const added = { at, order: this.#order++, action };
    let index = heap.length;
    heap.push(added);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || !isBefore(added, above)) break;
      heap[index] = above;
      index = parent;
    }
    heap[index] = added;
  }

  /** Runs until no event is scheduled any more. */
  run(): void {
    for (let next = this.#take(); next !== undefined; next = this.#take()) {
      this.now = next.at;
      next.action();
    }
  }

  #take(): Scheduled | undefined {
    const heap = this.#heap;
    const [first] = heap;
    const last = heap.pop();
    if (first === undefined || last === undefined || first === last) return first;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      const [left, right] = [heap[child], heap[child + 1]];
      if (left === undefined) break;
      if (right !== undefined && isBefore(right, left)) child++;
      const smallest = heap[child] ?? left;
      if (!isBefore(smallest, last)) break;
      heap[index] = smallest;
      index = child;
    }
    heap[index] = last;
    return first;
  }
}

function isBefore(a: Scheduled, b: Scheduled): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/** A resource that works on one thing after another, such as a core or a network. */
export class Server {
  readonly #events: Events;
  readonly #rate: number;
  #freeAt = 0;

  /** @param rate units of work a second */
  constructor(events: Events, rate: number) {
    this.#events = events;
    this.#rate = rate;
  }

  /** Queues work behind all earlier work, and calls `then` when it is done. */
  serve(work: number, then: Action): void {
    this.#freeAt = Math.max(this.#freeAt, this.#events.now) + work / this.#rate;
    this.#events.at(this.#freeAt, then);
  }
}

type Action = () => void;

interface Scheduled {
  at: number;
  /** Of what is due at the same time, what was scheduled first comes first. */
  order: number;
  action: Action;
}

/** A clock that jumps from one event to the next: a binary heap. */
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

  /** Until nothing is scheduled any more. */
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

/** Something that does one thing after another: a core, a network. */
export class Server {
  readonly #events: Events;
  readonly #rate: number;
  #freeAt = 0;

  /** `rate`: units of work a second. */
  constructor(events: Events, rate: number) {
    this.#events = events;
    this.#rate = rate;
  }

  /** `then` runs when this work is done, behind all that came before. */
  serve(work: number, then: Action): void {
    this.#freeAt = Math.max(this.#freeAt, this.#events.now) + work / this.#rate;
    this.#events.at(this.#freeAt, then);
  }
}

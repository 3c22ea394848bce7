/** Time that passes only when everybody waits for it: hours of waits take milliseconds. */
export class VirtualTime {
  /** Seconds since the beginning. */
  now = 0;
  readonly #sleepers: { until: number; wake: () => void }[] = [];

  sleep(seconds: number): Promise<void> {
    return new Promise((wake) => {
      this.#sleepers.push({ until: this.now + seconds, wake });
    });
  }

  /** Lets time pass until the work is done. */
  async run<T>(work: Promise<T>): Promise<T> {
    const state = { isDone: false };
    const done = work.finally(() => {
      state.isDone = true;
    });
    for (;;) {
      // All that is not waiting for time goes on first.
      await new Promise(setImmediate);
      if (state.isDone) return done;
      const next = this.#sleepers.reduce((least, { until }) => Math.min(least, until), Infinity);
      if (next === Infinity) throw new Error('Nobody waits for time, and the work is not done.');
      this.now = next;
      const woken = this.#sleepers.filter(({ until }) => until <= next);
      this.#sleepers.splice(0, Infinity, ...this.#sleepers.filter(({ until }) => until > next));
      for (const { wake } of woken) wake();
    }
  }
}

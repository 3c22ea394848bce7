import type { Report } from '../rollup/index.ts';

/** What it takes to abort uploads, send the continuation and log: past this, everything in flight is stopped. */
const LAST_CALL_MS = 5_000;
/** An output is begun while there is time for this many of the slowest so far. */
const SAFETY = 1.5;

export interface Deadline {
  /** Whether another output should be begun. */
  hasTime: () => boolean;
  /** Aborts when no time is left for what is in flight. */
  signal: AbortSignal;
  /** Watches how long outputs take, and passes the event on. */
  watch: (report: Report) => Report;
  /** Outputs that this invocation wrote. */
  readonly written: number;
  clear: () => void;
}

/** Divides what is left of an invocation between beginning outputs and ending cleanly. */
export function createDeadline(remainingMs: () => number): Deadline {
  const stop = new AbortController();
  const begun = new Map<string, number>();
  let slowest = 0;
  let written = 0;
  const timer = setTimeout(
    () => {
      stop.abort();
    },
    Math.max(0, remainingMs() - LAST_CALL_MS),
  );
  return {
    hasTime: () => !stop.signal.aborted && remainingMs() > LAST_CALL_MS + slowest * SAFETY,
    signal: stop.signal,
    watch: (report) => (event) => {
      if (event.type === 'begun') begun.set(event.key, remainingMs());
      if (event.type === 'output') {
        if (event.how !== 'reused') written++;
        // One that was only looked for was not begun.
        slowest = Math.max(slowest, (begun.get(event.key) ?? 0) - remainingMs());
        begun.delete(event.key);
      }
      report(event);
    },
    get written() {
      return written;
    },
    clear: () => {
      clearTimeout(timer);
    },
  };
}

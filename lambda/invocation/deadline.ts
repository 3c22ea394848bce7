import type { Context } from 'aws-lambda';
import type { Report } from '../rollup/index.ts';
import { MiB } from '../size.ts';

/** Milliseconds that it takes to abort uploads, send the continuation and log. With no more left, everything in flight is stopped. */
const LAST_CALL_MS = 5_000;
/** An output is begun while there is time for this many of the slowest output so far. */
const SAFETY = 1.5;

/** The time limit of one invocation. */
export interface Deadline {
  /** True while there is time to begin another output. */
  hasTime: () => boolean;
  /** Aborts when no time is left for what is in flight. */
  signal: AbortSignal;
  /** Wraps a report: measures how long outputs take, and passes each event on. */
  watch: (report: Report) => Report;
  /** The number of outputs that this invocation wrote or copied. */
  readonly written: number;
  /** Ends the timer. */
  clear: () => void;
}

/** Memory of the function in bytes; undefined where Lambda does not say it. */
export function memoryLimitOf({ memoryLimitInMB }: Pick<Context, 'memoryLimitInMB'>): number | undefined {
  const limit = Number(memoryLimitInMB) * MiB;
  return Number.isSafeInteger(limit) && limit > 0 ? limit : undefined;
}

/**
 * Starts the deadline of an invocation: outputs are begun while they can be finished, and what is in flight is aborted
 * while there is time to end cleanly.
 *
 * @param remainingMs returns the milliseconds until Lambda kills the invocation
 */
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
        // An output that was reused was not begun.
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

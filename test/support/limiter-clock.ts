import { DefaultRateLimiter } from '@smithy/core/retry';
import { vi } from 'vitest';

export interface LimiterClock {
  /** Milliseconds that have passed on it. */
  now: () => number;
  pass: (ms: number) => void;
}

type SetTimeout = (wake: () => void, ms: number) => void;

/**
 * Stands a clock in for that of the SDK's rate limiter, until the end of the test: it moves with `pass`, and a wait of the
 * limiter is over at once and moves it to the wait's end. `Date.now` tells its time.
 */
export function standInLimiterClock(): LimiterClock {
  const began = Date.now();
  let passedMs = 0;
  vi.spyOn(Date, 'now').mockImplementation(() => began + passedMs);
  vi.spyOn(DefaultRateLimiter as unknown as { setTimeoutFn: SetTimeout }, 'setTimeoutFn').mockImplementation(
    (wake, ms) => {
      const end = passedMs + ms;
      setImmediate(() => {
        passedMs = Math.max(passedMs, end);
        wake();
      });
    },
  );
  return {
    now: () => passedMs,
    pass: (ms) => {
      passedMs += ms;
    },
  };
}

/** Milliseconds that a request which cleans up, or without which nobody could, goes on for once the run is stopped. */
const GRACE_MS = 2_000;

/**
 * Sends a request that ends only a while after the signal was aborted, or a while from now if it is aborted already: one that
 * cleans up, or whose answer is needed for that. As long as nobody stops the run it takes the time that any request has.
 */
export async function withGrace<T>(
  signal: AbortSignal,
  send: (abortSignal: AbortSignal) => Promise<T>,
): Promise<T> {
  const late = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const stop = (): void => {
    timer = setTimeout(() => {
      late.abort(signal.reason);
    }, GRACE_MS);
  };
  if (signal.aborted) stop();
  else signal.addEventListener('abort', stop);
  try {
    return await send(late.signal);
  } finally {
    signal.removeEventListener('abort', stop);
    clearTimeout(timer);
  }
}

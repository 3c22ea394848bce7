import { vi } from 'vitest';

/**
 * Waits until a check throws no more, for what follows an event without being told of it: a connection that is closed, a
 * process that has ended. The limit is a last resort, for machines that are busy with other things.
 */
export function eventually<T>(check: () => T | Promise<T>): Promise<T> {
  return vi.waitFor(check, { timeout: 120_000, interval: 20 });
}

/** Lets everything go on that waits for nothing but this process: so many turns of its event loop. */
export async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise(setImmediate);
}

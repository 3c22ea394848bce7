import { RollupError } from '../lambda/errors.ts';

const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;
type Name = keyof typeof EXIT_CODES;

/** Thrown where SIGINT or SIGTERM ended a command. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
  readonly exitCode: number;

  constructor(signal: Name, consequence: string) {
    super(`Stopped by ${signal}. ${consequence}`);
    this.exitCode = EXIT_CODES[signal];
  }
}

/**
 * Runs work that ends cleanly on the first SIGINT or SIGTERM: its signal is aborted, its uploads are aborted with it, and
 * `Interrupted` is thrown. A second signal kills the process, as is usual.
 */
export async function interruptible<T>(
  work: (signal: AbortSignal) => Promise<T>,
  consequence: string,
): Promise<T> {
  const controller = new AbortController();
  let interrupted: Interrupted | undefined;
  const stop = (name: NodeJS.Signals): void => {
    ignore();
    interrupted = new Interrupted(name as Name, consequence);
    controller.abort(new RollupError('Aborted', interrupted.message));
  };
  const ignore = (): void => {
    for (const name of Object.keys(EXIT_CODES)) process.removeListener(name, stop);
  };
  for (const name of Object.keys(EXIT_CODES)) process.on(name, stop);
  try {
    return await work(controller.signal);
  } catch (error) {
    // A failure after the signal is a consequence of it.
    throw interrupted ?? error;
  } finally {
    ignore();
  }
}

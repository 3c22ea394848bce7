import { RollupError } from '../lambda/errors.ts';

const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;
type Name = keyof typeof EXIT_CODES;

/** The user, or the system, wanted the command to end. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
  readonly exitCode: number;

  constructor(signal: Name, consequence: string) {
    super(`Stopped by ${signal}. ${consequence}`);
    this.exitCode = EXIT_CODES[signal];
  }
}

/**
 * Work that ends cleanly on the first SIGINT or SIGTERM: uploads are aborted, then it throws `Interrupted`.
 * The second kills, as it does without this.
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
    // Whatever failed after the signal failed because of it.
    throw interrupted ?? error;
  } finally {
    ignore();
  }
}

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
 *
 * @param consequence the sentence about what is left and how to go on; a function of it is called once the work has ended
 */
export async function interruptible<T>(
  work: (signal: AbortSignal) => Promise<T>,
  consequence: string | (() => string),
): Promise<T> {
  const controller = new AbortController();
  let signal: Name | undefined;
  const stop = (name: NodeJS.Signals): void => {
    ignore();
    signal = name as Name;
    controller.abort(new RollupError('Aborted', `Stopped by ${name}.`));
  };
  const ignore = (): void => {
    for (const name of Object.keys(EXIT_CODES)) process.removeListener(name, stop);
  };
  for (const name of Object.keys(EXIT_CODES)) process.on(name, stop);
  try {
    return await work(controller.signal);
  } catch (error) {
    // A failure after the signal is a consequence of it.
    if (signal === undefined) throw error;
    throw new Interrupted(signal, typeof consequence === 'string' ? consequence : consequence());
  } finally {
    ignore();
  }
}

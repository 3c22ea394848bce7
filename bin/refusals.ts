import { RollupError, hasCode } from '../lambda/errors.ts';

/** Puts an argument's name before the message of an `InvalidArgument` that its parser throws. */
export function named<T>(name: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!hasCode(error, 'InvalidArgument') || !(error instanceof Error)) throw error;
    throw new RollupError('InvalidArgument', `${name} ${error.message}`, { cause: error });
  }
}

/**
 * Runs every parser and returns the results by name. Throws one `InvalidArgument` with the messages of all that failed.
 */
export function parseAll<Parsers extends Record<string, () => unknown>>(
  parsers: Parsers,
): { [Name in keyof Parsers]: ReturnType<Parsers[Name]> } {
  const problems: string[] = [];
  const parsed = Object.entries(parsers).map(([name, parse]) => {
    try {
      return [name, parse()];
    } catch (error) {
      if (!hasCode(error, 'InvalidArgument') || !(error instanceof Error)) throw error;
      problems.push(error.message);
      return [name, undefined];
    }
  });
  if (problems.length > 0) throw new RollupError('InvalidArgument', problems.join(' '));
  return Object.fromEntries(parsed) as { [Name in keyof Parsers]: ReturnType<Parsers[Name]> };
}

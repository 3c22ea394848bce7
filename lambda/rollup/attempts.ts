import { RollupError, hasCode } from '../errors.ts';
import type { Report } from './model/events.ts';
import type { Location } from './model/location.ts';
import { MANIFEST_NAME } from './model/manifest.ts';

/** How often a run plans and writes, the first time included, before it gives way to others that committed first. */
export const ATTEMPTS = 3;

/**
 * Repeats an attempt that lost to another run's commit. Throws `Conflict` after the last of `ATTEMPTS`, and `Aborted` where
 * the signal ended an attempt: what failed because of that is its cause.
 */
export async function untilCommitted<T>(
  destination: Location,
  { report, signal }: { report: Report; signal: AbortSignal },
  attempt: () => Promise<T | 'lost'>,
): Promise<T> {
  try {
    for (let number = 1; number <= ATTEMPTS; number++) {
      const outcome = await attempt();
      if (outcome !== 'lost') return outcome;
      report({ type: 'lost', attempt: number });
    }
  } catch (cause) {
    if (!signal.aborted || hasCode(cause, 'Aborted')) throw cause;
    throw new RollupError('Aborted', 'The run was stopped.', { cause });
  }
  throw lostToOthers(destination);
}

export function lostToOthers({ prefix }: Location): RollupError {
  return new RollupError(
    'Conflict',
    `Other runs committed ${prefix} first, ${ATTEMPTS} times. Run again once they have ended.`,
    { key: prefix + MANIFEST_NAME },
  );
}

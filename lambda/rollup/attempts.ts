import { RollupError, hasCode } from '../errors.ts';
import type { Report } from './model/events.ts';
import type { Location } from './model/location.ts';
import { MANIFEST_NAME } from './model/manifest.ts';

/** Attempts of a run, the first included, before it gives way to other runs that commit first each time. */
export const ATTEMPTS = 3;

/**
 * Repeats an attempt for as long as it returns `lost`, because another run committed first.
 *
 * @returns the first outcome that is not `lost`
 * @throws RollupError `Conflict` after the last of `ATTEMPTS`; `Aborted` if an attempt failed once the signal was aborted,
 *   with that failure as its cause; any other failure of an attempt as it is
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

/** The `Conflict` of a run that lost every one of its attempts. */
export function lostToOthers({ prefix }: Location): RollupError {
  return new RollupError(
    'Conflict',
    `Other runs committed ${prefix} first, ${ATTEMPTS} times. Run again once they have ended.`,
    { key: prefix + MANIFEST_NAME },
  );
}

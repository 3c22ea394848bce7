import { RollupError, hasCode } from '../errors.ts';
import { FormatMistaken } from './codec/source-format.ts';
import type { Report } from './model/events.ts';
import type { Location } from './model/location.ts';
import type { RunWarning } from './model/run.ts';
import { MANIFEST_NAME } from './model/manifest.ts';

/** Attempts of a run, the first included, before it gives way to other runs that commit first each time. */
export const ATTEMPTS = 3;

/** What an attempt takes over from those before it. */
export interface AttemptState {
  /** True once a plan was mistaken about the format of a source. */
  samplesAll: boolean;
  /** True once a committed source left raw while it was to be read there: from then on all of them are read from outputs. */
  readsOutputs: boolean;
  /** Keys that such attempts wrote. */
  readonly abandoned: string[];
  /** What the outcome has to say of them. */
  readonly warnings: RunWarning[];
}

/** A committed source that left raw, because another run deletes sources: it is to be read from the output that holds it. */
export class CommittedVanished extends RollupError {
  constructor(key: string, cause: RollupError) {
    super('SourceVanished', cause.message, { key, cause });
  }
}

/**
 * Repeats an attempt for as long as it returns `lost`, because another run committed first, or throws `FormatMistaken`; and
 * once where it throws `CommittedVanished`.
 *
 * @returns the first outcome that is not `lost`
 * @throws RollupError `Conflict` after the last of `ATTEMPTS` that was lost, `FormatMistaken` after the last of as many that
 *   were mistaken; `Aborted` if an attempt failed once the signal was aborted, with that failure as its cause; any other
 *   failure of an attempt as it is
 */
export async function untilCommitted<T>(
  destination: Location,
  { report, signal }: { report: Report; signal: AbortSignal },
  attempt: (state: AttemptState) => Promise<T | 'lost'>,
): Promise<T> {
  const state: AttemptState = { samplesAll: false, readsOutputs: false, abandoned: [], warnings: [] };
  let lost = 0;
  let mistaken = 0;
  try {
    while (lost < ATTEMPTS) {
      try {
        const outcome = await attempt(state);
        if (outcome !== 'lost') return outcome;
        report({ type: 'lost', attempt: ++lost });
      } catch (error) {
        if (error instanceof CommittedVanished && !state.readsOutputs) {
          state.readsOutputs = true;
          report({ type: 'vanished', message: error.message });
          continue;
        }
        if (!(error instanceof FormatMistaken) || ++mistaken === ATTEMPTS) throw error;
        state.samplesAll = true;
        const { key, message } = error.toJSON();
        state.warnings.push({
          code: 'PlannedAgain',
          message: `Planned again: ${message}`,
          ...(key === undefined ? {} : { key }),
        });
        report({ type: 'mistaken', message });
      }
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

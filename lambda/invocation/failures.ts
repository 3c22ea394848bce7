import type { RunProblem } from '../rollup/index.ts';
import { RollupError, hasCode } from '../errors.ts';
import type { RunResult } from '../run.ts';

/** The invocation's time was over before its work was. */
export function outOfTime(cause?: unknown): RollupError {
  return new RollupError(
    'Timeout',
    'The time of the invocation was over before the run was. Outputs that it wrote are kept.',
    { cause },
  );
}

/** Names the deadline as the reason of a run that its signal aborted; other errors are returned as they are. */
export function timeoutIfAborted(error: unknown, deadline: AbortSignal): unknown {
  return deadline.aborted && hasCode(error, 'Aborted') ? outOfTime(error) : error;
}

/** The error of an hour that is committed, but without all that follows a commit: that of the first problem. */
export function leftUndone(status: RunResult['status'], [first, ...others]: RunProblem[]): RollupError {
  const { code = 'S3Error', message = '', key } = first ?? {};
  const more = others.length === 0 ? '' : ` And ${others.length} more: see the log.`;
  return new RollupError(
    code,
    `The hour is ${status}, but not all that follows was done. ${message}${more}`,
    { key },
  );
}

/** Lambda answers a caller with an error's name and message alone: the code becomes the name. */
export function namedByCode(error: unknown): unknown {
  if (!(error instanceof RollupError)) return error;
  const named = new Error(error.message, { cause: error });
  named.name = error.code;
  return named;
}

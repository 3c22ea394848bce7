import { setTimeout as delay } from 'node:timers/promises';
import type { RequestMessage } from '../../lambda/invocation/message.ts';
import type { Deployment } from '../operator/deployment.ts';
import { OperatorError } from '../operator/operator-error.ts';
import type { Services } from '../operator/services.ts';

/** Milliseconds for which an invocation may tell what is wrong, at most. */
const DIAGNOSIS_MS = 60_000;

/**
 * Why nothing was committed in time: nobody takes messages from the queue, or the function fails. That is found out by invoking
 * it, which tells its error, as the queue does not.
 */
export async function diagnose(
  services: Pick<Services, 'queue' | 'invoke'>,
  { queueUrl, functionName }: Deployment,
  request: RequestMessage,
  timeoutSeconds: number,
  signal: AbortSignal,
): Promise<OperatorError> {
  const { waiting, inWork } = await services.queue(queueUrl);
  if (waiting > 0 && inWork === 0)
    return new OperatorError(
      'NotTaken',
      `Nothing was committed in time: ${waiting} messages wait in ${queueUrl}, and none is in work. Is the event source mapping of ${functionName} enabled, and its reserved concurrency above 0?`,
    );
  const ms = Math.min(DIAGNOSIS_MS, timeoutSeconds * 1000);
  try {
    const answer = await within(ms, signal, services.invoke(functionName, request));
    if (answer === 'late')
      return new OperatorError(
        'FunctionSilent',
        `${functionName} does not answer within ${Math.round(ms / 1000)} s: it may not reach S3 or its queue, as in a VPC without endpoints for them.`,
      );
  } catch (error) {
    signal.throwIfAborted();
    const { message } = error instanceof Error ? error : new Error(String(error));
    const code = error instanceof OperatorError ? error.code : 'FunctionFailed';
    return new OperatorError(code, `${functionName} fails: ${message}`, error);
  }
  return new OperatorError(
    'Timeout',
    `Nothing was committed in time by way of the queue (${waiting} waiting, ${inWork} in work), though ${functionName} works where it is invoked.`,
  );
}

/** The result of work, or `late` where it takes longer. The work goes on then. Throws where the signal ends the wait. */
export async function within<T>(ms: number, signal: AbortSignal, work: Promise<T>): Promise<T | 'late'> {
  const done = new AbortController();
  // Nobody may wait for it any more when it fails.
  work.catch(() => undefined);
  try {
    const late = delay(ms, 'late' as const, { signal: AbortSignal.any([signal, done.signal]) });
    late.catch(() => undefined);
    return await Promise.race([work, late]);
  } finally {
    done.abort();
  }
}

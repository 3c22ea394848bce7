import type { RequestMessage } from '../../lambda/invocation/message.ts';
import type { Deployment } from '../operator/deployment.ts';
import { OperatorError } from '../operator/operator-error.ts';
import type { Services } from '../operator/services.ts';

/**
 * Why nothing was committed in time: nobody takes messages from the queue, or the function fails. That is found out by invoking
 * it, which tells its error, as the queue does not.
 */
export async function diagnose(
  services: Pick<Services, 'queue' | 'invoke'>,
  { queueUrl, functionName }: Deployment,
  request: RequestMessage,
  signal: AbortSignal,
): Promise<OperatorError> {
  const { waiting, inWork } = await services.queue(queueUrl);
  if (waiting > 0 && inWork === 0)
    return new OperatorError(
      'NotTaken',
      `Nothing was committed in time: ${waiting} messages wait in ${queueUrl}, and none is in work. Is the event source mapping of ${functionName} enabled, and its reserved concurrency above 0?`,
    );
  const stopped = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => {
      reject(signal.reason as Error);
    });
  });
  try {
    await Promise.race([services.invoke(functionName, request), stopped]);
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

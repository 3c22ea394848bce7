import { proxyAdvice } from '../../lambda/proxy.ts';
import { credentialsAdvice, regionAdvice } from '../../lambda/s3/errors.ts';
import { OperatorError } from './operator-error.ts';

const BY_NAME: Partial<Record<string, string>> = {
  CredentialsProviderError: 'NoCredentials',
  AccessDeniedException: 'AccessDenied',
  AccessDenied: 'AccessDenied',
  // Of SNS: https://docs.aws.amazon.com/sns/latest/api/CommonErrors.html
  AuthorizationErrorException: 'AccessDenied',
  AuthorizationError: 'AccessDenied',
  TimeoutError: 'Timeout',
  QueueDoesNotExist: 'NoSuchQueue',
  ResourceNotFoundException: 'NotFound',
  TooManyRequestsException: 'Throttled',
  ThrottlingException: 'Throttled',
};

const ADVICE: Partial<Record<string, string>> = {
  NoSuchStack: 'Check its name and the region.',
  NoSuchQueue: 'Check its URL and the region.',
  NotFound: 'Check its name and the region.',
  AccessDenied: 'Check the credentials and their permissions.',
  EndpointUnreachable: 'Check the endpoint (http or https), the network and the region.',
  Throttled:
    'Every run that the function has room for is taken: without --invoke the request waits in the queue.',
};

/**
 * Turns any failure of a call to AWS into an `OperatorError` with advice.
 *
 * @param what the subject of the message, such as the name of the queue
 */
export function toOperatorError(error: unknown, what: string): OperatorError {
  if (error instanceof OperatorError) return error;
  const { name, message } = error instanceof Error ? error : new Error(String(error));
  const code = codeOf(error, name, message);
  const text =
    message === ''
      ? name
      : message
          .trim()
          .replaceAll(/\s*\n\s*/g, ' ')
          .replace(/\.$/, '');
  const proxy = code === 'EndpointUnreachable' ? proxyAdvice() : undefined;
  const known =
    code === 'NoCredentials'
      ? `${credentialsAdvice()}.`
      : code === 'NoRegion'
        ? `${regionAdvice()}.`
        : ADVICE[code];
  const advice = proxy === undefined ? known : `${known ?? ''} ${proxy}.`;
  return new OperatorError(code, `${what}: ${text}.${advice === undefined ? '' : ` ${advice}`}`, error);
}

/** Runs a call to AWS, and throws its failure as an `OperatorError`. `what` is the subject of the message. */
export async function translated<T>(what: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw toOperatorError(error, what);
  }
}

function codeOf(error: unknown, name: string, message: string): string {
  if (/region is missing/i.test(message)) return 'NoRegion';
  if (name === 'ValidationError' && message.includes('does not exist')) return 'NoSuchStack';
  // SQS has no error code for this; it answers with InvalidParameterValue or UnsupportedOperation.
  if (/already a task running|active task/i.test(message)) return 'RedriveRunning';
  const node = nodeCode(error);
  if (/^(ECONN|EHOST|ENET|ENOTFOUND|EAI_|EPIPE|EPROTO|ERR_SSL_|ERR_PROXY_)/.test(node))
    return 'EndpointUnreachable';
  return BY_NAME[name] ?? name;
}

/**
 * Node's error code. A refused connection to a name with several addresses is an `AggregateError` whose first error has
 * it.
 */
function nodeCode(error: unknown): string {
  if (error instanceof AggregateError) return nodeCode(error.errors[0]);
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

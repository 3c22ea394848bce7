import { type ErrorCode, RollupError } from '../errors.ts';
import { proxyAdvice } from '../proxy.ts';
import { isCut, nodeCode } from './client/network.ts';

/** A request that failed: the API's name of it, and the object or prefix that it was for. */
export interface Operation {
  operation: string;
  bucket: string;
  key?: string | undefined;
}

/** Codes by the name of an error, as S3 or the SDK gives it. */
const BY_NAME: Partial<Record<string, ErrorCode>> = {
  AbortError: 'Aborted',
  AccessDenied: 'AccessDenied',
  BadDigest: 'ChecksumMismatch',
  ConditionalRequestConflict: 'Conflict',
  CredentialsProviderError: 'NoCredentials',
  ExpiredToken: 'AccessDenied',
  InternalError: 'S3Error',
  // A part that was uploaded is not there: what a store forgot in a restart. The upload is of no use any more.
  InvalidPart: 'NoSuchUpload',
  InvalidObjectState: 'SourceArchived',
  NoSuchBucket: 'NoSuchBucket',
  NoSuchKey: 'SourceVanished',
  NoSuchUpload: 'NoSuchUpload',
  NotFound: 'SourceVanished',
  PreconditionFailed: 'PreconditionFailed',
  SlowDown: 'SlowDown',
  ThrottlingException: 'SlowDown',
  // What MinIO calls BadDigest.
  XAmzContentChecksumMismatch: 'ChecksumMismatch',
  TooManyRequestsException: 'SlowDown',
  TimeoutError: 'Timeout',
};

/** Codes by HTTP status, for responses without a name that is known. */
const BY_STATUS: Partial<Record<number, ErrorCode>> = {
  401: 'AccessDenied',
  403: 'AccessDenied',
  412: 'PreconditionFailed',
  429: 'SlowDown',
  503: 'SlowDown',
};

/** Node's codes of connections that no wait will open: of names and protocols that are wrong, and of certificates that are not trusted. */
const UNREACHABLE = new Set([
  'ENOTFOUND',
  'EPROTO',
  // The proxy refused.
  'ERR_PROXY_TUNNEL',
  'CERT_HAS_EXPIRED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]);

const ADVICE: Partial<Record<ErrorCode, string>> = {
  AccessDenied: 'Check the credentials and their permissions',
  EndpointUnreachable: 'Check the endpoint (http or https), the network and the region',
  NoSuchBucket: 'Check its name and the region',
  SlowDown: 'Lower the concurrency or run again later; what is written is kept',
};

/** The failure of a request as a `RollupError` with code, advice and cause. A `RollupError` is returned as it is. */
export function toRollupError(error: unknown, { operation, bucket, key }: Operation): RollupError {
  if (error instanceof RollupError) return error;
  const { name, message, status, attempts } = describe(error);
  const code = codeOf(error, name, message, status);
  const where = `s3://${bucket}/${key ?? ''}`;
  const tries = attempts > 1 ? ` (after ${attempts} attempts)` : '';
  const known =
    code === 'NoCredentials'
      ? credentialsAdvice()
      : code === 'EndpointUnreachable'
        ? [ADVICE[code], proxyAdvice()].filter(Boolean).join('. ')
        : code === 'NoRegion'
          ? regionAdvice()
          : ADVICE[code];
  const advice = known === undefined ? '' : ` ${known}.`;
  const text = message.replace(/\.$/, '');
  const what = message === '' || message === name ? name : name === 'Error' ? text : `${name}: ${text}`;
  return new RollupError(code, `${operation} ${where}: ${what}${tries}.${advice}`, { key, cause: error });
}

/** Advice where no credentials were found. The SDK's own message does not name the profile that it looked for. */
export function credentialsAdvice({ AWS_PROFILE: profile = '' } = process.env): string {
  if (profile === '') return 'Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or a role';
  return `AWS_PROFILE is "${profile}": check that there is such a profile, and that it has credentials`;
}

/** Advice where no region is known. The SDK's own message does not say where it has looked. */
export function regionAdvice(
  { AWS_PROFILE: profile = '', AWS_DEFAULT_REGION: other = '' } = process.env,
): string {
  const advice = 'Set AWS_REGION or --region';
  if (other !== '') return `${advice}: AWS_DEFAULT_REGION is read by the AWS CLI and not here`;
  return profile === '' ? advice : `${advice}: the profile "${profile}" gives none`;
}

function codeOf(error: unknown, name: string, message: string, status: number | undefined): ErrorCode {
  if (/region is missing/i.test(message)) return 'NoRegion';
  // Before the name: the SDK calls a reset connection a TimeoutError.
  if (isCut(error) || isUnreachable(nodeCode(error))) return 'EndpointUnreachable';
  const byName = BY_NAME[name];
  if (byName !== undefined) return byName;
  return (status === undefined ? undefined : BY_STATUS[status]) ?? 'S3Error';
}

/** OpenSSL's codes begin with `ERR_SSL_`: one reason is TLS spoken to a port that speaks HTTP. */
function isUnreachable(code: string): boolean {
  return UNREACHABLE.has(code) || code.startsWith('ERR_SSL_');
}

function describe(error: unknown): {
  name: string;
  message: string;
  status: number | undefined;
  attempts: number;
} {
  if (!(error instanceof Error))
    return { name: 'Error', message: String(error), status: undefined, attempts: 1 };
  const metadata: unknown = '$metadata' in error ? error.$metadata : undefined;
  const read = (field: string): number | undefined => {
    if (typeof metadata !== 'object' || metadata === null) return undefined;
    const value: unknown = Reflect.get(metadata, field);
    return typeof value === 'number' ? value : undefined;
  };
  const text = error.message === '' ? nodeCode(error) : error.message;
  const message = text.trim().replaceAll(/\s*\n\s*/g, ' ');
  return { name: error.name, message, status: read('httpStatusCode'), attempts: read('attempts') ?? 1 };
}

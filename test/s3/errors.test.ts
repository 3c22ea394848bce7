import { S3ServiceException } from '@aws-sdk/client-s3';
import { describe, expect, it } from 'vitest';
import { RollupError, hasCode } from '../../lambda/errors.ts';
import { toRollupError } from '../../lambda/s3/errors.ts';

const DOING = { operation: 'GetObject', bucket: 'b', key: 'k' };

function refused(name: string, httpStatusCode: number, attempts = 1): Error {
  return new S3ServiceException({
    name,
    $fault: 'client',
    message: `${name} it is.`,
    $metadata: { httpStatusCode, attempts },
  });
}

function failed(code: string, name = 'Error'): Error {
  return Object.assign(new Error(`connect ${code}`), { code, name });
}

describe('a failure of S3, or of the way to it,', () => {
  it.each<[string, unknown, string]>([
    ['a missing key', refused('NoSuchKey', 404), 'SourceVanished'],
    ['a missing key of a HEAD', refused('NotFound', 404), 'SourceVanished'],
    ['a missing bucket', refused('NoSuchBucket', 404), 'NoSuchBucket'],
    ['a missing upload', refused('NoSuchUpload', 404), 'NoSuchUpload'],
    ['a condition that does not hold', refused('PreconditionFailed', 412), 'PreconditionFailed'],
    ['a conflict', refused('ConditionalRequestConflict', 409), 'Conflict'],
    ['a refusal', refused('AccessDenied', 403), 'AccessDenied'],
    ['a wrong signature', refused('SignatureDoesNotMatch', 403), 'AccessDenied'],
    ['an unknown key of access', refused('InvalidAccessKeyId', 403), 'AccessDenied'],
    ['an archived object', refused('InvalidObjectState', 403), 'SourceArchived'],
    ['a throttle', refused('SlowDown', 503), 'SlowDown'],
    ['a throttle of another name', refused('RequestLimitExceeded', 503), 'SlowDown'],
    ['a wrong checksum', refused('BadDigest', 400), 'ChecksumMismatch'],
    ["MinIO's name for it", refused('XAmzContentChecksumMismatch', 400), 'ChecksumMismatch'],
    ['what it has no name for', refused('InternalError', 500), 'S3Error'],
    ['a refused connection', failed('ECONNREFUSED'), 'EndpointUnreachable'],
    ['a name that does not resolve', failed('ENOTFOUND'), 'EndpointUnreachable'],
    ['a reset connection', failed('ECONNRESET', 'TimeoutError'), 'EndpointUnreachable'],
    [
      'several addresses that all refuse',
      new AggregateError([failed('ECONNREFUSED')]),
      'EndpointUnreachable',
    ],
    ['an unknown certificate', failed('DEPTH_ZERO_SELF_SIGNED_CERT'), 'EndpointUnreachable'],
    ['TLS to a port that speaks none', failed('EPROTO'), 'EndpointUnreachable'],
    ['TLS that breaks', failed('ERR_SSL_WRONG_VERSION_NUMBER'), 'EndpointUnreachable'],
    ['no answer in time', failed('', 'TimeoutError'), 'Timeout'],
    ['no credentials', failed('', 'CredentialsProviderError'), 'NoCredentials'],
    ['no region', new Error('Region is missing'), 'NoRegion'],
    ['an end that was asked for', failed('', 'AbortError'), 'Aborted'],
    ['what is no error', 'oops', 'S3Error'],
  ])('%s', (_, error, code) => {
    const made = toRollupError(error, DOING);
    expect(made).toMatchObject({ code, key: 'k', cause: error });
    expect(made.message).toContain('GetObject s3://b/k: ');
  });

  it('has the number of attempts and advice in its message', () => {
    const { message } = toRollupError(refused('SlowDown', 503, 5), DOING);
    expect(message).toBe(
      'GetObject s3://b/k: SlowDown: SlowDown it is (after 5 attempts). Lower the concurrency or run again later; what is written is kept.',
    );
  });

  it('has a message of one line', () => {
    const error = Object.assign(new Error('write EPROTO 40:error:0A00010B:\n  ssl3_get_record.c:354:\n'), {
      code: 'EPROTO',
    });
    expect(toRollupError(error, DOING).message).toBe(
      'GetObject s3://b/k: write EPROTO 40:error:0A00010B: ssl3_get_record.c:354:. Check the endpoint (http or https), the network and the region.',
    );
  });

  it('that is a RollupError stays as it is', () => {
    const error = new RollupError('ShortBody', 'short', { key: 'other' });
    expect(toRollupError(error, DOING)).toBe(error);
    expect(hasCode(error, 'Aborted', 'ShortBody')).toBe(true);
    expect(hasCode(error, 'Aborted')).toBe(false);
    expect(hasCode(new Error('ShortBody'), 'ShortBody')).toBe(false);
  });
});

it.each([
  [{ key: 'k' }, { code: 'ShortBody', message: 'short', key: 'k' }],
  [{ cause: 'c' }, { code: 'ShortBody', message: 'short' }],
])('an error with %j is printed as %j', (details, printed) => {
  expect(JSON.parse(JSON.stringify(new RollupError('ShortBody', 'short', details)))).toEqual(printed);
});

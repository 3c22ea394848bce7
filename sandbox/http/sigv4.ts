import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { S3Error } from './s3-error.ts';

export interface Credentials {
  accessKeyId: string;
  secretAccessKey: string;
  /** Only of temporary credentials. */
  sessionToken?: string;
}

export interface SignedRequest {
  method: string;
  /** As received: path and query, undecoded. */
  url: string;
  headers: IncomingHttpHeaders;
}

/** Checks the signatures of an aws-chunked body. Each covers the one before it. */
export interface ChunkSigner {
  chunk(sha256: string, signature: string): void;
  /** `signed` holds the trailers, each as `name:value\n`. */
  trailers(signed: string, signature: string | undefined): void;
}

const SKEW_MS = 15 * 60 * 1000;
const AUTHORIZATION =
  /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request,\s*SignedHeaders=([^,]+),\s*Signature=([0-9a-f]{64})$/;
const EMPTY_SHA256 = sha256('');

/**
 * Checks a request's Authorization header. https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
 * Returns a checker for the chunks of a signed aws-chunked body, and undefined for any other body.
 */
export function authenticate(
  request: SignedRequest,
  known: readonly Credentials[],
  now: Date,
): ChunkSigner | undefined {
  const { headers } = request;
  if (headers.authorization === undefined) throw new S3Error('AccessDenied', 'Access Denied');
  const [, accessKeyId, day, region, service, signedHeaders, signature] =
    AUTHORIZATION.exec(headers.authorization) ?? [];
  if (!accessKeyId || !day || !region || !service || !signedHeaders || !signature) {
    throw new S3Error('AuthorizationHeaderMalformed', 'The authorization header is malformed');
  }
  const credentials = known.find((each) => each.accessKeyId === accessKeyId);
  if (credentials === undefined) {
    throw new S3Error(
      'InvalidAccessKeyId',
      'The AWS Access Key Id you provided does not exist in our records.',
      {
        AWSAccessKeyId: accessKeyId,
      },
    );
  }
  if (header(headers, 'x-amz-security-token') !== (credentials.sessionToken ?? '')) {
    throw new S3Error('InvalidToken', 'The provided token is malformed or otherwise invalid.');
  }
  const timestamp = header(headers, 'x-amz-date');
  checkTime(timestamp, day, now);
  const payload = header(headers, 'x-amz-content-sha256');
  if (payload === '')
    throw new S3Error('InvalidRequest', 'Missing required header for this request: x-amz-content-sha256');

  const names = signedHeaders.split(';');
  for (const name of Object.keys(headers)) {
    if ((name === 'host' || name.startsWith('x-amz-')) && !names.includes(name)) {
      throw new S3Error('AccessDenied', 'There were headers present in the request which were not signed', {
        HeadersNotSigned: name,
      });
    }
  }
  const scope = `${day}/${region}/${service}/aws4_request`;
  const canonical = canonicalRequest(request, names, payload);
  const toSign = `AWS4-HMAC-SHA256\n${timestamp}\n${scope}\n${sha256(canonical)}`;
  const key = signingKey(credentials.secretAccessKey, day, region, service);
  checkSignature(key, toSign, signature, { CanonicalRequest: canonical });
  return payload.startsWith('STREAMING-AWS4-HMAC-SHA256-PAYLOAD')
    ? chunkSigner(key, `${timestamp}\n${scope}`, signature, payload.endsWith('-TRAILER'))
    : undefined;
}

function checkTime(timestamp: string, day: string, now: Date): void {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(timestamp);
  if (!match)
    throw new S3Error('AccessDenied', 'AWS authentication requires a valid Date or x-amz-date header');
  const [, year, month, date, hour, minute, second] = match.map(Number);
  const sent = Date.UTC(year ?? 0, (month ?? 0) - 1, date, hour, minute, second);
  if (!timestamp.startsWith(day)) {
    throw new S3Error(
      'SignatureDoesNotMatch',
      'The date in the credential scope does not match the request date',
    );
  }
  if (Math.abs(now.getTime() - sent) > SKEW_MS) {
    throw new S3Error(
      'RequestTimeTooSkewed',
      'The difference between the request time and the current time is too large.',
      { RequestTime: timestamp, ServerTime: now.toISOString(), MaxAllowedSkewMilliseconds: String(SKEW_MS) },
    );
  }
}

function canonicalRequest({ method, url, headers }: SignedRequest, names: string[], payload: string): string {
  const question = url.indexOf('?');
  const path = question < 0 ? url : url.slice(0, question);
  const parameters = question < 0 ? [] : url.slice(question + 1).split('&');
  const query = parameters
    .filter((parameter) => parameter !== '')
    .map((parameter) => {
      const equals = parameter.indexOf('=');
      return equals < 0
        ? `${recode(parameter)}=`
        : `${recode(parameter.slice(0, equals))}=${recode(parameter.slice(equals + 1))}`;
    })
    .sort();
  return [
    method,
    path.split('/').map(recode).join('/'),
    query.join('&'),
    ...names.map((name) => `${name}:${header(headers, name).trim().replace(/ +/g, ' ')}`),
    '',
    names.join(';'),
    payload,
  ].join('\n');
}

/** Encodes by RFC 3986, including characters that the client left unencoded. */
function recode(part: string): string {
  return encodeURIComponent(decodeURIComponent(part)).replace(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function header(headers: IncomingHttpHeaders, name: string): string {
  const value = headers[name];
  return Array.isArray(value) ? value.join(',') : (value ?? '');
}

function signingKey(secret: string, day: string, region: string, service: string): Buffer {
  return [day, region, service, 'aws4_request'].reduce<Buffer>(
    (key, part) => createHmac('sha256', key).update(part).digest(),
    Buffer.from(`AWS4${secret}`),
  );
}

function checkSignature(key: Buffer, toSign: string, given: string, details: Record<string, string>): void {
  const wanted = createHmac('sha256', key).update(toSign).digest();
  const bytes = Buffer.from(given, 'hex');
  if (bytes.length === wanted.length && timingSafeEqual(bytes, wanted)) return;
  throw new S3Error(
    'SignatureDoesNotMatch',
    'The request signature we calculated does not match the signature you provided. Check your key and signing method.',
    { StringToSign: toSign, SignatureProvided: given, ...details },
  );
}

/** A checker of chunk signatures: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html */
function chunkSigner(key: Buffer, timeAndScope: string, seed: string, withTrailers: boolean): ChunkSigner {
  let previous = seed;
  return {
    chunk(hash, signature) {
      const toSign = `AWS4-HMAC-SHA256-PAYLOAD\n${timeAndScope}\n${previous}\n${EMPTY_SHA256}\n${hash}`;
      checkSignature(key, toSign, signature, {});
      previous = signature;
    },
    trailers(signed, signature) {
      if (!withTrailers) return;
      const toSign = `AWS4-HMAC-SHA256-TRAILER\n${timeAndScope}\n${previous}\n${sha256(signed)}`;
      checkSignature(key, toSign, signature ?? '', {});
    },
  };
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { AwsChunkedDecoder } from './aws-chunked.ts';
import {
  checksumHeader,
  checkValue,
  createDigest,
  parseAlgorithm,
  type ChecksumAlgorithm,
  type Digest,
} from '../checksums.ts';
import { S3Error } from './s3-error.ts';
import type { ChunkSigner } from './sigv4.ts';

/** Most bytes of a PUT: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html */
export const LARGEST_PUT = 5 * 1024 ** 3;

export interface Received {
  size: number;
  /** In hex, as in an ETag. */
  md5: string;
  checksum?: { algorithm: ChecksumAlgorithm; value: string };
}

/** Takes the bytes of a body, in order. */
export type Sink = (bytes: Buffer) => void | Promise<void>;

interface Expected {
  length: number;
  md5: string | undefined;
  sha256: string | undefined;
  checksum: { algorithm: ChecksumAlgorithm; value: string | undefined } | undefined;
}

/** The announced length of the body itself, without framing. */
export function bodyLength(headers: IncomingHttpHeaders): number {
  const decoded = headers['x-amz-decoded-content-length'];
  const text = decoded === undefined ? headers['content-length'] : String(decoded);
  if (text === undefined)
    throw new S3Error('MissingContentLength', 'You must provide the Content-Length HTTP header.');
  if (!/^\d+$/.test(text)) throw new S3Error('InvalidArgument', `${text} is not a length`);
  return Number(text);
}

/**
 * Reads a body and checks it against everything that the client announced: length, MD5, checksums, signature. Throws for a
 * body that differs, so only a body that was returned from here may be committed.
 */
export async function receiveBody(
  request: IncomingMessage,
  {
    signer,
    about,
    ignoresChecksum = false,
  }: { signer: ChunkSigner | undefined; about: 'body' | 'object'; ignoresChecksum?: boolean },
  sink: Sink,
): Promise<Received> {
  const { headers } = request;
  const expected = parseExpected(headers);
  // On CompleteMultipartUpload, x-amz-checksum-* is about the object, not about this body.
  if (about === 'object') expected.checksum = undefined;
  const md5 = createHash('md5');
  const sha256 = expected.sha256 === undefined ? undefined : createHash('sha256');
  const digest = expected.checksum && createDigest(expected.checksum.algorithm);
  const digests = [md5, sha256, digest].filter((each): each is Digest & typeof each => each !== undefined);
  const chunked = isAwsChunked(headers) ? new AwsChunkedDecoder(signer) : undefined;

  let size = 0;
  const take = async (bytes: Buffer) => {
    size += bytes.length;
    if (size > expected.length) throw incomplete();
    for (const each of digests) each.update(bytes);
    await sink(bytes);
  };
  for await (const input of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    if (!chunked) await take(input);
    else for (const bytes of chunked.decode(input)) await take(bytes);
  }
  if (size < expected.length || chunked?.done === false) throw incomplete();

  const md5Bytes = md5.digest();
  if (expected.md5 !== undefined && expected.md5 !== md5Bytes.toString('base64'))
    throw badDigest('Content-MD5');
  if (sha256 && sha256.digest('hex') !== expected.sha256) {
    throw new S3Error(
      'XAmzContentSHA256Mismatch',
      "The provided 'x-amz-content-sha256' header does not match what was computed.",
    );
  }
  const received = { size, md5: md5Bytes.toString('hex') };
  if (!digest || !expected.checksum) return received;
  const { algorithm } = expected.checksum;
  const value = digest.digest().toString('base64');
  if (!ignoresChecksum) checkDigest(algorithm, expected.checksum.value ?? trailer(chunked, algorithm), value);
  return { ...received, checksum: { algorithm, value } };
}

function parseExpected(headers: IncomingHttpHeaders): Expected {
  const length = bodyLength(headers);
  if (length > LARGEST_PUT) {
    throw new S3Error('EntityTooLarge', 'Your proposed upload exceeds the maximum allowed object size.', {
      ProposedSize: String(length),
    });
  }
  const md5 = headers['content-md5'];
  if (md5 !== undefined && Buffer.from(String(md5), 'base64').length !== 16) {
    throw new S3Error('InvalidDigest', 'The Content-MD5 you specified was invalid.');
  }
  const sha256 = headers['x-amz-content-sha256'];
  return {
    length,
    md5: md5 === undefined ? undefined : String(md5),
    sha256: typeof sha256 === 'string' && /^[0-9a-f]{64}$/.test(sha256) ? sha256 : undefined,
    checksum: expectedChecksum(headers),
  };
}

const NOT_VALUES = new Set(['mode', 'algorithm', 'type']);

function expectedChecksum(headers: IncomingHttpHeaders): Expected['checksum'] {
  const named = Object.keys(headers).flatMap((name) => {
    const algorithm = /^x-amz-checksum-(.+)$/.exec(name)?.[1];
    return algorithm === undefined || NOT_VALUES.has(algorithm) ? [] : [parseAlgorithm(algorithm)];
  });
  const trailing = /^x-amz-checksum-(.+)$/.exec(String(headers['x-amz-trailer'] ?? '').trim())?.[1];
  if (named.length + (trailing ? 1 : 0) > 1) {
    throw new S3Error(
      'InvalidRequest',
      'Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.',
    );
  }
  const [algorithm] = named;
  if (algorithm) {
    return { algorithm, value: checkValue(algorithm, String(headers[checksumHeader(algorithm)])) };
  }
  if (trailing) return { algorithm: parseAlgorithm(trailing), value: undefined };
  return undefined;
}

function isAwsChunked(headers: IncomingHttpHeaders): boolean {
  return String(headers['x-amz-content-sha256'] ?? '').startsWith('STREAMING-');
}

function trailer(chunked: AwsChunkedDecoder | undefined, algorithm: ChecksumAlgorithm): string {
  const value = chunked?.trailers[checksumHeader(algorithm)];
  if (value !== undefined) return checkValue(algorithm, value);
  throw new S3Error(
    'MalformedTrailerError',
    'The request contained trailing data that was not well-formed or did not conform to our published schema.',
  );
}

function checkDigest(algorithm: ChecksumAlgorithm, given: string, computed: string): void {
  if (given !== computed) throw badDigest(algorithm);
}

function badDigest(what: string): S3Error {
  return new S3Error('BadDigest', `The ${what} you specified did not match the calculated checksum.`);
}

export function incomplete(): S3Error {
  return new S3Error(
    'IncompleteBody',
    'You did not provide the number of bytes specified by the Content-Length HTTP header',
  );
}

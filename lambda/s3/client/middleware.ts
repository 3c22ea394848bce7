import type { GetObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { HttpRequest } from '@smithy/core/protocols';
import { CHECKSUM_MODE } from '../checksums.ts';

const HASH_HEADER = 'x-amz-content-sha256';

/**
 * Leaves out the SHA-256 of uploaded bodies where the connection is TLS, which protects them on the way; S3 checks the
 * checksum that goes with them. Without TLS the payload is signed.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
 */
export function leavePayloadUnsigned(client: S3Client): void {
  client.middlewareStack.add(
    (next) => (args) => {
      const { request } = args;
      if (
        HttpRequest.isInstance(request) &&
        request.protocol === 'https:' &&
        request.body instanceof Uint8Array
      ) {
        request.headers[HASH_HEADER] = 'UNSIGNED-PAYLOAD';
      }
      return next(args);
    },
    { name: 'leavePayloadUnsigned', step: 'build', priority: 'low' },
  );
}

/**
 * Adds headers to every request.
 *
 * @param copySourceOwner account that the bucket of a copy's source must belong to
 */
export function addHeaders(
  client: S3Client,
  headers: Readonly<Record<string, string>>,
  copySourceOwner: string | undefined,
): void {
  if (Object.keys(headers).length === 0 && copySourceOwner === undefined) return;
  client.middlewareStack.add(
    (next) => (args) => {
      const { request } = args;
      if (HttpRequest.isInstance(request)) {
        Object.assign(request.headers, headers);
        if (copySourceOwner !== undefined && 'x-amz-copy-source' in request.headers)
          request.headers['x-amz-source-expected-bucket-owner'] = copySourceOwner;
      }
      return next(args);
    },
    { name: 'addHeaders', step: 'build', priority: 'low' },
  );
}

/**
 * Makes S3 send its checksums with the object. The command's own input `ChecksumMode` would make the SDK check the body
 * too, with CRC-64/NVME in JavaScript.
 */
export function askForChecksums(command: GetObjectCommand): void {
  command.middlewareStack.add(
    (next) => (args) => {
      if (HttpRequest.isInstance(args.request)) Object.assign(args.request.headers, CHECKSUM_MODE);
      return next(args);
    },
    { name: 'askForChecksums', step: 'build' },
  );
}

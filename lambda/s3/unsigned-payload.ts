import type { S3Client } from '@aws-sdk/client-s3';
import { HttpRequest } from '@smithy/core/protocols';

const HASH_HEADER = 'x-amz-content-sha256';

/**
 * Over TLS, spares the SHA-256 of what is uploaded: TLS protects it on the way, and S3 checks the CRC-32 that goes with
 * it. Without TLS the payload is signed as ever.
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

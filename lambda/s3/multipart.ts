import {
  AbortMultipartUploadCommand,
  type AbortMultipartUploadCommandOutput,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  type CompleteMultipartUploadCommandOutput,
  CreateMultipartUploadCommand,
  type CreateMultipartUploadCommandInput,
  type CreateMultipartUploadCommandOutput,
  type S3Client,
} from '@aws-sdk/client-s3';

/** Milliseconds that a request which cleans up, or without which nobody could, goes on for once the run is stopped. */
export const CLEANUP_MS = 2_000;

/** Completes an upload: makes an object of its parts. It may be called again where S3 refused the condition. */
export type Complete = (
  parts: CompletedPart[],
  input: Partial<Record<'IfNoneMatch' | 'IfMatch' | 'ChecksumCRC32', string>>,
) => Promise<CompleteMultipartUploadCommandOutput>;

/** A multipart upload that was created. */
export interface OpenMultipart {
  upload: { Bucket: string; Key: string; UploadId: string };
  complete: Complete;
}

/**
 * Creates a multipart upload with a CRC-32 of the whole, and lets `work` upload its parts and complete it. If `work` ends
 * without that, the upload is aborted.
 *
 * @param begin parameters of CreateMultipartUpload
 * @param options `completeMs`: milliseconds until the answer to the completion
 */
export async function inParts<T>(
  client: S3Client,
  begin: CreateMultipartUploadCommandInput & { Bucket: string; Key: string },
  options: { signal: AbortSignal; completeMs: number },
  work: (open: OpenMultipart) => Promise<T>,
): Promise<T> {
  const params = { ...begin, ChecksumAlgorithm: 'CRC32', ChecksumType: 'FULL_OBJECT' } as const;
  const created = await beginUpload(client, new CreateMultipartUploadCommand(params), options.signal);
  const upload = { Bucket: begin.Bucket, Key: begin.Key, UploadId: created.UploadId ?? '' };
  let done = false as boolean;
  const complete: Complete = async (Parts, input) => {
    const command = new CompleteMultipartUploadCommand({
      ...upload,
      ...input,
      // Without it MinIO takes the checksum of the whole for one of the parts' checksums, and refuses it.
      // https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
      ChecksumType: 'FULL_OBJECT',
      MultipartUpload: { Parts },
    });
    const { signal: abortSignal, completeMs: requestTimeout } = options;
    const answer = await client.send(command, { abortSignal, requestTimeout });
    done = true;
    return answer;
  };
  try {
    return await work({ upload, complete });
  } finally {
    // A failure to abort must not hide that of `work`: the upload is then left to the bucket's lifecycle rule.
    if (!done) await endUpload(client, new AbortMultipartUploadCommand(upload)).catch(() => undefined);
  }
}

/**
 * Creates an upload. The signal ends that only a while later: without the answer, which has the upload's id, nobody could end
 * the upload.
 */
export async function beginUpload(
  client: S3Client,
  command: CreateMultipartUploadCommand,
  signal: AbortSignal,
): Promise<CreateMultipartUploadCommandOutput> {
  const late = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const stop = (): void => {
    timer = setTimeout(() => {
      late.abort(signal.reason);
    }, CLEANUP_MS);
  };
  signal.addEventListener('abort', stop);
  try {
    return await client.send(command, { abortSignal: late.signal });
  } finally {
    signal.removeEventListener('abort', stop);
    clearTimeout(timer);
  }
}

/** Aborts an upload, also where the run was stopped, but does not wait until a store that is away comes back. */
export function endUpload(
  client: S3Client,
  command: AbortMultipartUploadCommand,
): Promise<AbortMultipartUploadCommandOutput> {
  return client.send(command, { abortSignal: AbortSignal.timeout(CLEANUP_MS) });
}

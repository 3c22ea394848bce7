import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  type CompleteMultipartUploadCommandInput,
  type CompleteMultipartUploadCommandOutput,
  CreateMultipartUploadCommand,
  type CreateMultipartUploadCommandInput,
  type S3Client,
} from '@aws-sdk/client-s3';
import { withGrace } from './grace.ts';

/** Completes an upload: makes an object of its parts. It may be called again where S3 refused the condition. */
export type Complete = (
  parts: CompletedPart[],
  input: Pick<
    CompleteMultipartUploadCommandInput,
    'IfNoneMatch' | 'IfMatch' | 'ChecksumCRC32' | 'ChecksumCRC64NVME'
  >,
) => Promise<CompleteMultipartUploadCommandOutput>;

/** A multipart upload that was created. */
export interface OpenMultipart {
  upload: { Bucket: string; Key: string; UploadId: string };
  complete: Complete;
}

/**
 * Creates a multipart upload with a checksum of the whole, and lets `work` upload its parts and complete it. If `work` ends
 * without that, the upload is aborted.
 *
 * @param begin parameters of CreateMultipartUpload; the checksum is a CRC-32 unless they name another algorithm
 * @param options `completeMs`: milliseconds until the answer to the completion
 */
export async function inParts<T>(
  client: S3Client,
  begin: CreateMultipartUploadCommandInput & { Bucket: string; Key: string },
  options: { signal: AbortSignal; completeMs: number },
  work: (open: OpenMultipart) => Promise<T>,
): Promise<T> {
  const params = { ChecksumAlgorithm: 'CRC32', ...begin, ChecksumType: 'FULL_OBJECT' } as const;
  const { signal } = options;
  // Without the answer, which has the upload's id, nobody could end the upload.
  const created = await withGrace(signal, (abortSignal) =>
    client.send(new CreateMultipartUploadCommand(params), { abortSignal }),
  );
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
    const { completeMs: requestTimeout } = options;
    const answer = await client.send(command, { abortSignal: signal, requestTimeout });
    done = true;
    return answer;
  };
  try {
    return await work({ upload, complete });
  } finally {
    // A failure to abort must not hide that of `work`: the upload is then left to the bucket's lifecycle rule.
    if (!done)
      await withGrace(signal, (abortSignal) =>
        client.send(new AbortMultipartUploadCommand(upload), { abortSignal }),
      ).catch(() => undefined);
  }
}

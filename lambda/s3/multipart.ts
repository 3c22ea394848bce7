import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  type CompleteMultipartUploadCommandOutput,
  CreateMultipartUploadCommand,
  type CreateMultipartUploadCommandInput,
  type S3Client,
} from '@aws-sdk/client-s3';

/** What makes an object of its parts. It may be sent again where S3 refused it. */
export type Complete = (
  parts: CompletedPart[],
  input: { IfNoneMatch?: string; ChecksumCRC32?: string },
) => Promise<CompleteMultipartUploadCommandOutput>;

export interface OpenMultipart {
  upload: { Bucket: string; Key: string; UploadId: string };
  complete: Complete;
}

/** A multipart upload with a CRC-32 of the whole. However `work` ends, no parts are left behind. */
export async function inParts<T>(
  client: S3Client,
  begin: CreateMultipartUploadCommandInput & { Bucket: string; Key: string },
  options: { signal: AbortSignal; completeMs: number },
  work: (open: OpenMultipart) => Promise<T>,
): Promise<T> {
  // Let finish, also when the run ends: without the answer nobody could end the upload.
  const created = await client.send(
    new CreateMultipartUploadCommand({ ...begin, ChecksumAlgorithm: 'CRC32', ChecksumType: 'FULL_OBJECT' }),
  );
  const upload = { Bucket: begin.Bucket, Key: begin.Key, UploadId: created.UploadId ?? '' };
  let done = false as boolean;
  const complete: Complete = async (Parts, input) => {
    const command = new CompleteMultipartUploadCommand({ ...upload, ...input, MultipartUpload: { Parts } });
    const { signal: abortSignal, completeMs: requestTimeout } = options;
    const answer = await client.send(command, { abortSignal, requestTimeout });
    done = true;
    return answer;
  };
  try {
    return await work({ upload, complete });
  } finally {
    // What ended the work is what counts; an upload that could not be ended is left to the bucket's lifecycle rule.
    if (!done) await client.send(new AbortMultipartUploadCommand(upload)).catch(() => undefined);
  }
}

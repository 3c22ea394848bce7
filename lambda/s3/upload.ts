import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import type { ObjectAt } from '../rollup/model/location.ts';
import type { ObjectHead, Store, UploadContent, Written } from '../rollup/model/store.ts';
import { PARTS_IN_FLIGHT } from '../settings/settings.ts';
import type { OutputParams } from './attributes.ts';
import { algorithmParam, checksumParams } from './checksums.ts';
import { withGrace } from './grace.ts';
import { confirmed } from './confirm.ts';
import { type OnceCondition, holds, writeOnce } from './write-once.ts';
import { partMs } from './client/timeouts.ts';

/**
 * Uploads a buffer in parts. S3 checks each part, and the whole against `checksum` before the object becomes visible. An
 * existing object that has these bytes is kept: another run may have committed it under its ETag.
 *
 * @throws RollupError `ChecksumMismatch`, `NoSuchUpload` where somebody else ended the upload, and those of S3
 */
export async function uploadObject(
  store: Store,
  client: S3Client,
  at: ObjectAt,
  content: UploadContent & { params: OutputParams },
  signal: AbortSignal,
): Promise<Written> {
  const { body, checksum } = content;
  const { etag } = await writeOnce(store, at, {
    signal,
    isOurs: (existing) => holds(store, at, existing, { size: body.length, checksum }, signal),
    write: (condition) => uploadOnce(store, client, at, { ...content, condition }, signal),
  });
  return { etag, checksum };
}

async function uploadOnce(
  store: Store,
  client: S3Client,
  at: ObjectAt,
  content: UploadContent & { params: OutputParams; condition: OnceCondition },
  signal: AbortSignal,
): Promise<ObjectHead> {
  const { body, checksum, partSize, metadata, params } = content;
  const { bucket, key } = at;
  const upload = new Upload({
    client: guarded(client, content, signal),
    queueSize: PARTS_IN_FLIGHT,
    partSize,
    params: {
      Bucket: bucket,
      Key: key,
      Body: body,
      Metadata: metadata,
      ...params,
      ...algorithmParam(checksum),
      ...(body.length > partSize ? { ChecksumType: 'FULL_OBJECT' } : {}),
    },
  });
  const done = await upload.done();
  const { etag } = await confirmed(store, at, done, { size: body.length, checksum });
  return { size: body.length, etag, checksum };
}

/**
 * A client for one `Upload` of lib-storage, which adds checksums, the condition and the signal to its requests.
 *
 * `Upload.abort()` returns while parts are in flight and may leave them behind (aws-sdk-js-v3 #8299). Here the signal ends
 * every request except the abort itself, so that `done()` fails only after the upload is gone, and that which creates
 * the upload, without whose answer nobody could end it: see `withGrace`.
 */
function guarded(
  client: S3Client,
  { body, checksum, partSize, partChecksums, condition }: UploadContent & { condition: OnceCondition },
  signal: AbortSignal,
): S3Client {
  const send = async (command: Parameters<S3Client['send']>[0]): Promise<unknown> => {
    // A failure to abort must not hide that of the upload, which lib-storage would throw in its place.
    if (command instanceof AbortMultipartUploadCommand)
      return withGrace(signal, (abortSignal) => client.send(command, { abortSignal })).catch(() => undefined);
    signal.throwIfAborted();
    if (command instanceof CreateMultipartUploadCommand)
      return withGrace(signal, (abortSignal) => client.send(command, { abortSignal }));
    if (command instanceof UploadPartCommand) {
      // Known since the part was downloaded: the SDK does not have to read the part for it.
      const part = partChecksums[(command.input.PartNumber ?? 0) - 1];
      if (part !== undefined) Object.assign(command.input, checksumParams(part));
    }
    if (command instanceof CompleteMultipartUploadCommand) {
      // lib-storage leaves out a part's CRC-64/NVME, and takes whatever else the store told of it.
      const parts = command.input.MultipartUpload?.Parts?.map(({ PartNumber, ETag }) => {
        const sent = partChecksums[(PartNumber ?? 0) - 1];
        return { PartNumber, ETag, ...(sent === undefined ? {} : checksumParams(sent)) };
      });
      command.input.MultipartUpload = { Parts: parts };
    }
    if (command instanceof CompleteMultipartUploadCommand || command instanceof PutObjectCommand) {
      Object.assign(command.input, checksumParams(checksum), condition);
    }
    return client.send(command, {
      abortSignal: signal,
      requestTimeout: partMs(Math.min(body.length, partSize)),
    });
  };
  return Object.create(client, { send: { value: send } }) as S3Client;
}

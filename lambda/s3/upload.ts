import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { RollupError, hasCode } from '../errors.ts';
import type { ObjectAt } from '../rollup/location.ts';
import type { Store, Written } from '../rollup/store.ts';
import { PARTS_IN_FLIGHT } from '../settings.ts';
import { encodeCrc32, parseCrc32, unquoteEtag } from './conditions.ts';
import { toRollupError } from './errors.ts';

/** A part, sent and answered. Its headers come only after its last byte has gone out. */
const PART_MS = 120_000;

export interface UploadInput {
  at: ObjectAt;
  body: Buffer;
  crc32: number;
  partSize: number;
}

/** Uploads a slab in parts, checked by S3: each part, and the whole against `crc32` before it becomes visible. */
export async function uploadObject(
  store: Store,
  client: S3Client,
  { at, body, crc32, partSize }: UploadInput,
  signal: AbortSignal,
): Promise<Written> {
  const { bucket, key } = at;
  const upload = new Upload({
    client: guarded(client, crc32, signal),
    queueSize: PARTS_IN_FLIGHT,
    partSize,
    params: {
      Bucket: bucket,
      Key: key,
      Body: body,
      ChecksumAlgorithm: 'CRC32',
      ...(body.length > partSize ? { ChecksumType: 'FULL_OBJECT' } : {}),
    },
  });
  try {
    const done = await upload.done();
    const stored = parseCrc32(done.ChecksumCRC32);
    if (stored !== undefined && stored !== crc32) throw mismatch(key);
    return { etag: unquoteEtag(done.ETag), crc32 };
  } catch (error) {
    const failed = toRollupError(error, { operation: 'Upload', bucket, key });
    if (!hasCode(failed, 'NoSuchUpload')) throw failed;
    // The answer to a first CompleteMultipartUpload may have been lost, and the upload be no more because it is done.
    const head = await store.head(at);
    if (head?.size === body.length && head.crc32 === crc32) return { etag: head.etag, crc32 };
    throw failed;
  }
}

/**
 * The client as an upload sees it. `Upload.abort()` returns while parts are in flight and may leave them behind
 * (aws-sdk-js-v3 #8299); here the signal ends every request but the abort itself, so that `done()` fails only after
 * the upload is gone.
 */
function guarded(client: S3Client, crc32: number, signal: AbortSignal): S3Client {
  const send = (command: Parameters<S3Client['send']>[0]): Promise<unknown> => {
    if (command instanceof AbortMultipartUploadCommand) return client.send(command);
    if (command instanceof CompleteMultipartUploadCommand || command instanceof PutObjectCommand) {
      command.input.ChecksumCRC32 = encodeCrc32(crc32);
    }
    return client.send(command, { abortSignal: signal, requestTimeout: PART_MS });
  };
  return Object.create(client, { send: { value: send } }) as S3Client;
}

function mismatch(key: string): RollupError {
  return new RollupError('ChecksumMismatch', `${key} was stored with another CRC-32 than it was sent with.`, {
    key,
  });
}

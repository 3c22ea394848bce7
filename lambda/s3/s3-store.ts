import {
  AbortMultipartUploadCommand,
  HeadObjectCommand,
  type HeadObjectCommandOutput,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { RollupError, hasCode } from '../errors.ts';
import { crc32 } from '../rollup/model/crc32.ts';
import type { Location, ObjectAt } from '../rollup/model/location.ts';
import type {
  ArchiveState,
  FirstKeys,
  Found,
  ReadResult,
  ListedObject,
  ObjectHead,
  OpenUpload,
  ReadFrom,
  Store,
  StreamOptions,
  Streamed,
  Undeleted,
  UploadContent,
  WriteCondition,
  Written,
} from '../rollup/model/store.ts';
import { type OutputAttributes, accessParams, contentParams, outputParams } from './attributes.ts';
import { encodeCrc32, parseCrc32, quoteEtag, unquoteEtag } from './conditions.ts';
import { confirmed } from './confirm.ts';
import { copyObject } from './copy.ts';
import { keepsChanged, keepsConditions } from './trials.ts';
import { deleteKeys, deleteUnchanged } from './delete.ts';
import { type Operation, toRollupError } from './errors.ts';
import type { RequestPath } from './client/direct-get.ts';
import { listFirst, listObjects, listUploads } from './list.ts';
import { ObjectReader, refusedOrAbsent, unannounced } from './download.ts';
import { uploadStream } from './upload-stream.ts';
import { uploadObject } from './upload.ts';

/** Times that a small object is put, the first included, where the store confirms it and has not kept it. */
const PUTS = 3;

/** Options of a store. */
export interface StoreOptions {
  attributes: OutputAttributes;
  /** Stores that have the same value reach the same objects: S3 copies from one to the other. See `reachOf`. */
  reach: string;
  /** URL of the service, where it is another than Amazon S3. */
  service: string | undefined;
}

/** The `Store` over S3, where each method is documented. This class puts the functions of this folder behind it. */
export class S3Store implements Store {
  readonly #client: S3Client;
  readonly #reader: ObjectReader;
  readonly #attributes: OutputAttributes;
  readonly #reach: string;
  readonly service: string | undefined;
  /** By bucket: whether conditional deletes were seen to hold. */
  readonly #keepsChanged = new Map<string, Promise<boolean>>();
  /** By bucket: whether conditional writes were seen to hold. */
  readonly #keepsConditions = new Map<string, Promise<boolean>>();

  constructor(path: RequestPath, { attributes, reach, service }: StoreOptions) {
    this.#client = path.client;
    this.#reader = new ObjectReader(path);
    this.#attributes = attributes;
    this.#reach = reach;
    this.service = service;
  }

  list(at: Location, signal?: AbortSignal, after?: string) {
    return listObjects(this.#client, at, signal, after);
  }

  listFirst(
    at: Location,
    options: { most: number; delimiter?: string | undefined },
    signal: AbortSignal,
  ): Promise<FirstKeys> {
    return listFirst(this.#client, at, options, signal);
  }

  listUploads(at: Location): Promise<OpenUpload[]> {
    return listUploads(this.#client, at);
  }

  async head({ bucket, key }: ObjectAt): Promise<ObjectHead | undefined> {
    const command = new HeadObjectCommand({ Bucket: bucket, Key: key, ChecksumMode: 'ENABLED' });
    const found = await absentAsUndefined(
      this.#client.send(command).catch(async (error: unknown) => {
        const failed = toRollupError(error, { operation: 'HeadObject', bucket, key });
        throw await refusedOrAbsent(this.#client, { bucket, key }, failed);
      }),
    );
    if (found === undefined) return undefined;
    const crc32 = parseCrc32(found.ChecksumCRC32);
    const etag = unquoteEtag(found.ETag);
    const metadata = found.Metadata ?? {};
    if (found.ContentLength === undefined) throw unannounced('HeadObject', key);
    const archive = archiveStateOf(found);
    return {
      size: found.ContentLength,
      etag,
      metadata,
      ...(crc32 === undefined ? {} : { crc32 }),
      ...(archive === undefined ? {} : { archive }),
    };
  }

  getIfPresent(at: ObjectAt): Promise<{ body: Buffer; etag: string } | undefined> {
    return absentAsUndefined(this.#reader.readWhole(at));
  }

  getBounded(at: ObjectAt, most: number): Promise<Found | undefined> {
    return absentAsUndefined(this.#reader.readBounded(at, most));
  }

  read(from: ReadFrom, into: Buffer, signal: AbortSignal): Promise<ReadResult> {
    return this.#reader.read(from, into, signal);
  }

  stream(from: ReadFrom, signal?: AbortSignal): AsyncGenerator<Buffer> {
    return this.#reader.stream(from, signal);
  }

  async put(
    { bucket, key }: ObjectAt,
    body: Buffer,
    contentType: string,
    condition?: WriteCondition,
  ): Promise<{ etag: string }> {
    const crc = crc32(body);
    const command = new PutObjectCommand({
      Bucket: bucket,
      Key: key,
      Body: body,
      ChecksumCRC32: encodeCrc32(crc),
      ContentType: contentType,
      ...accessParams(this.#attributes),
      ...(condition === 'absent' ? { IfNoneMatch: '*' } : {}),
      ...(typeof condition === 'object' ? { IfMatch: quoteEtag(condition.etag) } : {}),
    });
    for (let attempt = 1; ; attempt++) {
      const answer = await translated({ operation: 'PutObject', bucket, key }, () =>
        this.#client.send(command),
      );
      try {
        const { etag } = await confirmed(this, { bucket, key }, answer, { size: body.length, crc32: crc });
        return { etag };
      } catch (error) {
        if (attempt === PUTS || !hasCode(error, 'OutputMissing')) throw error;
      }
    }
  }

  upload(at: ObjectAt, content: UploadContent, signal: AbortSignal): Promise<Written> {
    const params = outputParams(this.#attributes);
    return uploadObject(this, this.#client, at, { ...content, params }, signal);
  }

  uploadStream(
    at: ObjectAt,
    chunks: AsyncIterable<Buffer>,
    options: StreamOptions,
    signal: AbortSignal,
  ): Promise<Streamed> {
    const { own } = options;
    const params =
      own === undefined
        ? outputParams(this.#attributes)
        : { ...accessParams(this.#attributes), ...contentParams(own) };
    return uploadStream(this, this.#client, at, chunks, { ...options, params }, signal);
  }

  canCopyFrom(other: Store): boolean {
    return other instanceof S3Store && other.#reach === this.#reach;
  }

  copy(from: ReadFrom, size: number, to: ObjectAt, signal: AbortSignal): Promise<Written> {
    const attributes = this.#attributes;
    return copyObject(this, this.#client, { from, size, to, attributes }, signal);
  }

  delete(bucket: string, keys: string[]): Promise<void> {
    return deleteKeys(this.#client, bucket, keys);
  }

  deleteUnchanged(
    bucket: string,
    objects: Pick<ListedObject, 'key' | 'etag'>[],
    signal: AbortSignal,
  ): Promise<Undeleted[]> {
    return deleteUnchanged(this.#client, bucket, objects, signal);
  }

  keepsChanged(at: Location, signal: AbortSignal): Promise<boolean> {
    let proof = this.#keepsChanged.get(at.bucket);
    if (proof === undefined) {
      proof = keepsChanged(this, this.#client, at, signal);
      this.#keepsChanged.set(at.bucket, proof);
      // A trial that failed has proven nothing, and may be made again.
      proof.catch(() => this.#keepsChanged.delete(at.bucket));
    }
    return proof;
  }

  keepsConditions(at: Location): Promise<boolean> {
    let trial = this.#keepsConditions.get(at.bucket);
    if (trial === undefined) {
      trial = keepsConditions(this, at);
      this.#keepsConditions.set(at.bucket, trial);
    }
    return trial;
  }

  async abortUpload({ bucket, key, uploadId }: OpenUpload): Promise<void> {
    const command = new AbortMultipartUploadCommand({ Bucket: bucket, Key: key, UploadId: uploadId });
    try {
      await translated({ operation: 'AbortMultipartUpload', bucket, key }, () => this.#client.send(command));
    } catch (error) {
      if (!hasCode(error, 'NoSuchUpload')) throw error;
    }
  }
}

/**
 * The archive state by the headers x-amz-restore (`ongoing-request="false", expiry-date="…"`), x-amz-archive-status, which
 * S3 Intelligent-Tiering has, and x-amz-storage-class: https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
 */
function archiveStateOf({
  Restore = '',
  ArchiveStatus,
  StorageClass,
}: HeadObjectCommandOutput): ArchiveState | undefined {
  if (Restore.includes('ongoing-request="true"')) return 'restoring';
  if (Restore.includes('ongoing-request="false"')) return 'restored';
  const isArchive = StorageClass === 'GLACIER' || StorageClass === 'DEEP_ARCHIVE';
  return isArchive || ArchiveStatus !== undefined ? 'archived' : undefined;
}

/** Sends a request; its failure is thrown as a `RollupError`. */
async function translated<T>(operation: Operation, send: () => Promise<T>): Promise<T> {
  try {
    return await send();
  } catch (error) {
    throw toRollupError(error, operation);
  }
}

/** Waits for a response; an object that does not exist makes it undefined. */
async function absentAsUndefined<T>(found: Promise<T>): Promise<T | undefined> {
  try {
    return await found;
  } catch (error) {
    if (error instanceof RollupError && error.code === 'SourceVanished') return undefined;
    throw error;
  }
}

import {
  AbortMultipartUploadCommand,
  HeadObjectCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { RollupError, hasCode } from '../errors.ts';
import type { Location, ObjectAt } from '../rollup/model/location.ts';
import type {
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
import { type OutputAttributes, accessParams, outputParams } from './attributes.ts';
import { parseCrc32, quoteEtag, unquoteEtag } from './conditions.ts';
import { copyObject } from './copy.ts';
import { deleteKeys, deleteUnchanged } from './delete.ts';
import { type Operation, toRollupError } from './errors.ts';
import type { RequestPath } from './client/direct-get.ts';
import { listObjects, listUploads } from './list.ts';
import { ObjectReader, refusedOrAbsent } from './download.ts';
import { uploadStream } from './upload-stream.ts';
import { uploadObject } from './upload.ts';

export interface StoreOptions {
  attributes: OutputAttributes;
  /** Stores of one reach are those between which S3 copies. */
  reach: string;
}

/** The store of a rollup, over the SDK. */
export class S3Store implements Store {
  readonly #client: S3Client;
  readonly #downloads: ObjectReader;
  readonly #attributes: OutputAttributes;
  readonly #reach: string;

  constructor(path: RequestPath, { attributes, reach }: StoreOptions) {
    this.#client = path.client;
    this.#downloads = new ObjectReader(path);
    this.#attributes = attributes;
    this.#reach = reach;
  }

  list(at: Location, signal?: AbortSignal, after?: string) {
    return listObjects(this.#client, at, signal, after);
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
    return { size: found.ContentLength ?? 0, etag, metadata, ...(crc32 === undefined ? {} : { crc32 }) };
  }

  getIfPresent(at: ObjectAt): Promise<{ body: Buffer; etag: string } | undefined> {
    return absentAsUndefined(this.#downloads.readWhole(at));
  }

  getBounded(at: ObjectAt, most: number): Promise<Found | undefined> {
    return absentAsUndefined(this.#downloads.readBounded(at, most));
  }

  read(from: ReadFrom, into: Buffer, signal: AbortSignal): Promise<ReadResult> {
    return this.#downloads.read(from, into, signal);
  }

  stream(from: ReadFrom, signal?: AbortSignal): AsyncGenerator<Buffer> {
    return this.#downloads.stream(from, signal);
  }

  async put(
    { bucket, key }: ObjectAt,
    body: Buffer,
    contentType: string,
    condition?: WriteCondition,
  ): Promise<{ etag: string }> {
    const command = new PutObjectCommand({
      Bucket: bucket,
      Key: key,
      Body: body,
      ContentType: contentType,
      ...accessParams(this.#attributes),
      ...(condition === 'absent' ? { IfNoneMatch: '*' } : {}),
      ...(typeof condition === 'object' ? { IfMatch: quoteEtag(condition.etag) } : {}),
    });
    const { ETag } = await this.#do('PutObject', bucket, key, () => this.#client.send(command));
    return { etag: unquoteEtag(ETag) };
  }

  upload(at: ObjectAt, content: UploadContent, signal: AbortSignal): Promise<Written> {
    return uploadObject(
      this,
      this.#client,
      at,
      { ...content, params: outputParams(this.#attributes) },
      signal,
    );
  }

  uploadStream(
    at: ObjectAt,
    chunks: AsyncIterable<Buffer>,
    options: StreamOptions,
    signal: AbortSignal,
  ): Promise<Streamed> {
    const params = outputParams(this.#attributes);
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

  async abortUpload({ bucket, key, uploadId }: OpenUpload): Promise<void> {
    const command = new AbortMultipartUploadCommand({ Bucket: bucket, Key: key, UploadId: uploadId });
    try {
      await this.#do('AbortMultipartUpload', bucket, key, () => this.#client.send(command));
    } catch (error) {
      if (!hasCode(error, 'NoSuchUpload')) throw error;
    }
  }

  #do<T>(operation: string, bucket: string, key: string | undefined, send: () => Promise<T>): Promise<T> {
    return translated({ operation, bucket, key }, send);
  }
}

/** Runs a call and makes a `RollupError` of its failure. */
export async function translated<T>(operation: Operation, send: () => Promise<T>): Promise<T> {
  try {
    return await send();
  } catch (error) {
    throw toRollupError(error, operation);
  }
}

async function absentAsUndefined<T>(found: Promise<T>): Promise<T | undefined> {
  try {
    return await found;
  } catch (error) {
    if (error instanceof RollupError && error.code === 'SourceVanished') return undefined;
    throw error;
  }
}

import {
  AbortMultipartUploadCommand,
  HeadObjectCommand,
  type HeadObjectCommandOutput,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { RollupError, hasCode } from '../errors.ts';
import { ALGORITHMS, type Algorithm, asCrc32 } from '../rollup/model/checksum/checksum.ts';
import { crc32 } from '../rollup/model/checksum/crc32.ts';
import type { Location, ObjectAt } from '../rollup/model/location.ts';
import type {
  ArchiveState,
  FirstKeys,
  Found,
  ReadOptions,
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
import { checksumParams, parseChecksum } from './checksums.ts';
import { quoteEtag, unquoteEtag } from './conditions.ts';
import { confirmed } from './confirm.ts';
import { copyObject } from './copy.ts';
import { joinsParts, keepsChanged, keepsConditions, verifiesUploads } from './trials.ts';
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
  /** True if it may be another although no URL of it was given: the AWS configuration files name one. */
  isElsewhere: () => Promise<boolean>;
}

/**
 * What was found out about the store, by bucket: whether conditional deletes and writes, and checksums of each algorithm, were
 * seen to hold.
 */
interface Trials {
  deletes: Map<string, Promise<boolean>>;
  writes: Map<string, Promise<boolean>>;
  uploads: Map<string, Promise<boolean>>;
}

/** The `Store` over S3, where each method is documented. This class puts the functions of this folder behind it. */
export class S3Store implements Store {
  readonly #client: S3Client;
  readonly #reader: ObjectReader;
  readonly #options: StoreOptions;
  readonly #trials: Trials;
  /** Ends the requests of methods that take no signal. */
  readonly #signal: AbortSignal;
  readonly service: string | undefined;

  private constructor(
    client: S3Client,
    reader: ObjectReader,
    options: StoreOptions,
    trials: Trials,
    signal: AbortSignal,
  ) {
    this.#client = client;
    this.#reader = reader;
    this.#options = options;
    this.#trials = trials;
    this.#signal = signal;
    this.service = options.service;
  }

  static over(path: RequestPath, options: StoreOptions): S3Store {
    const trials = { deletes: new Map(), writes: new Map(), uploads: new Map() };
    return new S3Store(path.client, new ObjectReader(path), options, trials, new AbortController().signal);
  }

  until(signal: AbortSignal): S3Store {
    const options = { ...this.#options, service: this.service };
    return new S3Store(this.#client, this.#reader, options, this.#trials, signal);
  }

  list(at: Location, signal = this.#signal, after?: string) {
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
    return listUploads(this.#client, at, this.#signal);
  }

  async head({ bucket, key }: ObjectAt): Promise<ObjectHead | undefined> {
    const command = new HeadObjectCommand({ Bucket: bucket, Key: key, ChecksumMode: 'ENABLED' });
    const found = await absentAsUndefined(
      this.#client.send(command, { abortSignal: this.#signal }).catch(async (error: unknown) => {
        const failed = toRollupError(error, { operation: 'HeadObject', bucket, key });
        throw await refusedOrAbsent(this.#client, { bucket, key }, failed, this.#signal);
      }),
    );
    if (found === undefined) return undefined;
    const checksum = parseChecksum(found);
    const etag = unquoteEtag(found.ETag);
    const metadata = found.Metadata ?? {};
    if (found.ContentLength === undefined) throw unannounced('HeadObject', key);
    const archive = archiveStateOf(found);
    return {
      size: found.ContentLength,
      etag,
      metadata,
      ...(checksum === undefined ? {} : { checksum }),
      ...(archive === undefined ? {} : { archive }),
    };
  }

  getIfPresent(at: ObjectAt): Promise<{ body: Buffer; etag: string } | undefined> {
    return absentAsUndefined(this.#reader.readWhole(at, this.#signal));
  }

  getBounded(at: ObjectAt, most: number): Promise<Found | undefined> {
    return absentAsUndefined(this.#reader.readBounded(at, most, this.#signal));
  }

  read(from: ReadFrom, into: Buffer, signal: AbortSignal, options?: ReadOptions): Promise<ReadResult> {
    return this.#reader.read(from, into, signal, options);
  }

  stream(from: ReadFrom, signal = this.#signal): AsyncGenerator<Buffer> {
    return this.#reader.stream(from, signal);
  }

  async put(
    { bucket, key }: ObjectAt,
    body: Buffer,
    contentType: string,
    condition?: WriteCondition,
    metadata?: Readonly<Record<string, string>>,
  ): Promise<{ etag: string }> {
    const checksum = asCrc32(crc32(body));
    const command = new PutObjectCommand({
      Bucket: bucket,
      Key: key,
      Body: body,
      ...checksumParams(checksum),
      ContentType: contentType,
      ...(metadata === undefined ? {} : { Metadata: metadata }),
      ...accessParams(this.#options.attributes),
      ...(condition === 'absent' ? { IfNoneMatch: '*' } : {}),
      ...(typeof condition === 'object' ? { IfMatch: quoteEtag(condition.etag) } : {}),
    });
    for (let attempt = 1; ; attempt++) {
      const answer = await translated({ operation: 'PutObject', bucket, key }, () =>
        this.#client.send(command, { abortSignal: this.#signal }),
      );
      try {
        const { etag } = await confirmed(this, { bucket, key }, answer, { size: body.length, checksum });
        return { etag };
      } catch (error) {
        if (attempt === PUTS || !hasCode(error, 'OutputMissing')) throw error;
      }
    }
  }

  upload(at: ObjectAt, content: UploadContent, signal: AbortSignal): Promise<Written> {
    const params = outputParams(this.#options.attributes);
    return uploadObject(this, this.#client, at, { ...content, params }, signal);
  }

  uploadStream(
    at: ObjectAt,
    chunks: AsyncIterable<Buffer>,
    options: StreamOptions,
    signal: AbortSignal,
  ): Promise<Streamed> {
    const { attributes } = this.#options;
    const { own } = options;
    const params =
      own === undefined ? outputParams(attributes) : { ...accessParams(attributes), ...contentParams(own) };
    return uploadStream(this, this.#client, at, chunks, { ...options, params }, signal);
  }

  canCopyFrom(other: Store): boolean {
    return other instanceof S3Store && other.#options.reach === this.#options.reach;
  }

  copy(from: ReadFrom, size: number, to: ObjectAt, signal: AbortSignal): Promise<Written> {
    const { attributes } = this.#options;
    return copyObject(this, this.#client, { from, size, to, attributes }, signal);
  }

  delete(bucket: string, keys: string[]): Promise<void> {
    return deleteKeys(this.#client, bucket, keys, this.#signal);
  }

  deleteUnchanged(
    bucket: string,
    objects: Pick<ListedObject, 'key' | 'etag'>[],
    signal: AbortSignal,
  ): Promise<Undeleted[]> {
    return deleteUnchanged(this.#client, bucket, objects, signal);
  }

  keepsChanged(at: Location, signal: AbortSignal): Promise<boolean> {
    return once(this.#trials.deletes, at.bucket, () => keepsChanged(this, this.#client, at, signal));
  }

  async keepsConditions(at: Location): Promise<boolean> {
    if (await this.#isAmazonS3()) return true;
    return once(this.#trials.writes, at.bucket, () => keepsConditions(this, this.#client, at, this.#signal));
  }

  async verifiesUploadsBy(at: Location, { inParts }: { inParts: boolean }): Promise<ReadonlySet<Algorithm>> {
    if (await this.#isAmazonS3()) return new Set(ALGORITHMS);
    const access = accessParams(this.#options.attributes);
    const isSeen = async (what: string, trial: () => Promise<boolean>): Promise<boolean> => {
      // Of a trial that another run began, and was stopped in, nothing is known: what is not verified is checked as it arrives.
      return once(this.#trials.uploads, `${what} ${at.bucket}`, trial).catch(() => false);
    };
    const verifies = await Promise.all(
      ALGORITHMS.map((algorithm) =>
        isSeen(algorithm, () => verifiesUploads(this.#client, at, { access, algorithm }, this.#signal)),
      ),
    );
    const verified = new Set(ALGORITHMS.filter((_, i) => verifies[i] === true));
    if (!inParts || !verified.has('crc64nvme')) return verified;
    const joins = await isSeen('parts', () => joinsParts(this, this.#client, at, access, this.#signal));
    if (!joins) verified.delete('crc64nvme');
    return verified;
  }

  /** Amazon S3 holds what others are tried out for. */
  async #isAmazonS3(): Promise<boolean> {
    return this.service === undefined && !(await this.#options.isElsewhere());
  }

  async abortUpload({ bucket, key, uploadId }: OpenUpload): Promise<void> {
    const command = new AbortMultipartUploadCommand({ Bucket: bucket, Key: key, UploadId: uploadId });
    try {
      await translated({ operation: 'AbortMultipartUpload', bucket, key }, () =>
        this.#client.send(command, { abortSignal: this.#signal }),
      );
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

/** The result of a trial, which is made once for what it is `of`. One that failed has shown nothing, and may be made again. */
function once(
  trials: Map<string, Promise<boolean>>,
  of: string,
  begin: () => Promise<boolean>,
): Promise<boolean> {
  const known = trials.get(of);
  if (known !== undefined) return known;
  const trial = begin();
  trials.set(of, trial);
  trial.catch(() => trials.delete(of));
  return trial;
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

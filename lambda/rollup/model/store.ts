import type { RollupError } from '../../errors.ts';
import type { Algorithm, Checksum } from './checksum/checksum.ts';
import type { Location, ObjectAt } from './location.ts';

/** An object in a listing. ETags are without their quotes. */
export interface ListedObject {
  key: string;
  size: number;
  etag: string;
  /** ISO 8601. For a multipart object S3 gives the time at which its upload began: never a watermark. */
  lastModified: string;
  storageClass?: string;
  /** What a HEAD says of an object that may be archived; a listing does not have it. */
  archive?: ArchiveState;
}

/**
 * The state of an object that is, or was, archived. `archived`: it has to be restored before it can be read. `restoring`:
 * that is under way. `restored`: it can be read for some time.
 */
export type ArchiveState = 'archived' | 'restoring' | 'restored';

/** The properties of an object that a HEAD returns. */
export interface ObjectHead {
  size: number;
  etag: string;
  /** The checksum that S3 holds of the whole object: a CRC-32 or a CRC-64/NVME. Absent where it holds neither. */
  checksum?: Checksum;
  /** Absent for an object that was never archived. */
  archive?: ArchiveState;
  /** User metadata, as it was given to `upload`. */
  metadata?: Readonly<Record<string, string>>;
}

/** The bytes of an object to read: all of them, or `length` from `offset`. The object must still have this ETag. */
export interface ReadFrom extends ObjectAt {
  etag: string;
  range?: { offset: number; length: number };
}

/** The result of a write. `checksum` is of the whole object. */
export interface Written {
  etag: string;
  checksum: Checksum;
}

/** How a read into a buffer is checked. */
export interface ReadOptions {
  /**
   * True to take the checksum that the store holds of the object for that of its bytes, without a look at them: they are
   * proven once a store has verified an upload of them by it. Where it holds none, the bytes are looked at.
   *
   * @defaultValue false
   */
  trusted?: boolean;
}

/** The result of a read into a buffer. */
export interface ReadResult {
  /**
   * The checksum that the store holds of the object, which the bytes have or, of a read that is `trusted`, should have; where
   * it holds none, and of a range, the CRC-32 of the bytes.
   */
  checksum: Checksum;
  /** The header Content-Encoding; undefined if there is none. */
  contentEncoding: string | undefined;
}

/** The content of an upload, with the checksum of the whole and of every part of `partSize` bytes, of one algorithm. */
export interface UploadContent {
  body: Buffer;
  checksum: Checksum;
  partSize: number;
  partChecksums: Checksum[];
  metadata: Readonly<Record<string, string>>;
}

/** Options of an upload whose bytes are streamed. */
export interface StreamOptions {
  partSize: number;
  metadata: Readonly<Record<string, string>>;
  /**
   * Given for a file of the program's own, which is no output: it has the outputs' encryption and ACL, and not their storage
   * class, tags, content type and coding. `contentType` is its own.
   */
  own?: { contentType?: string };
  /**
   * Memory in which parts are put together, and the bound of what is held: room for one part at least, or for four to have
   * four in flight.
   *
   * @defaultValue memory that is allocated for this upload
   */
  memory?: Buffer;
  /**
   * Called with the object that another write left under the key, if its bytes differ. Returns true if that object may
   * stand for this upload; otherwise it is replaced.
   */
  isOurs?: (existing: ObjectHead) => boolean | Promise<boolean>;
  /**
   * The condition of the write, as that of `put`: throws `PreconditionFailed` where it does not hold.
   *
   * @defaultValue there is no such object; one that is there stays if it has the same bytes, and is replaced otherwise
   */
  condition?: WriteCondition;
}

/** The object that is under the key after a streamed upload: the one sent, or an existing one that stands for it. */
export interface Streamed extends Written {
  /** Bytes of that object. */
  size: number;
}

/** An object with all of its bytes; the body is undefined if it has more than were asked for. */
export interface Found {
  etag: string;
  size: number;
  body: Buffer | undefined;
  /** User metadata, as it was given to `put`. */
  metadata?: Readonly<Record<string, string>>;
}

/** What one request lists. `folders`: what keys have in common up to the delimiter, with it, in their place. */
export interface FirstKeys {
  keys: string[];
  folders: string[];
  /** True if there are more than were asked for. */
  hasMore: boolean;
}

/** A multipart upload that was neither completed nor aborted. */
export interface OpenUpload extends ObjectAt {
  uploadId: string;
  initiated: Date;
}

/** An object that was not deleted: it has another ETag by now (`changed`), or S3 does not allow it (`refused`). */
export interface Undeleted {
  key: string;
  why: 'changed' | 'refused';
  error: RollupError;
}

/** The condition of a write. `absent`: there is no such object. Otherwise: the object still has this ETag. */
export type WriteCondition = 'absent' | { etag: string };

/** How the name of the object begins by which a store is tried out; twelve hex digits follow. */
export const DELETE_PROOF_NAME = '_delete-proof-';

/**
 * The calls that a rollup makes to S3, and no others. Each throws a `RollupError` once its retries are spent. Writes are
 * atomic: an object exists whole, or not at all.
 */
export interface Store {
  /** URL of the service, where it is another than Amazon S3. */
  readonly service: string | undefined;
  /**
   * The same store for one run: requests of those methods that take no signal are aborted with this one. Otherwise a run that
   * is stopped while the store is away would wait until it is back.
   */
  until(signal: AbortSignal): Store;
  /**
   * Every object under the prefix, or those after the key `after`, page by page. Throws `UnsortedListing` if S3's answers
   * are not in key order.
   */
  list(at: Location, signal?: AbortSignal, after?: string): AsyncIterable<ListedObject[]>;
  /** The first keys under the prefix, `most` at most, in one request. */
  listFirst(
    at: Location,
    options: { most: number; delimiter?: string | undefined },
    signal: AbortSignal,
  ): Promise<FirstKeys>;
  /** Undefined if there is no such object. */
  head(at: ObjectAt): Promise<ObjectHead | undefined>;
  /** A small object with all of its bytes; undefined if there is none. */
  getIfPresent(at: ObjectAt): Promise<{ body: Buffer; etag: string } | undefined>;
  /** The same, but the body of an object that has more than `most` bytes is not read. */
  getBounded(at: ObjectAt, most: number): Promise<Found | undefined>;
  /**
   * Reads into a buffer, whose length is the number of bytes to read. Throws `SourceChanged` if the object has another ETag,
   * `SourceVanished` if it is gone, `ShortBody` if it has fewer bytes, `BodyStalled` if they stop to arrive.
   */
  read(from: ReadFrom, into: Buffer, signal: AbortSignal, options?: ReadOptions): Promise<ReadResult>;
  /**
   * Streams the bytes, for reading what memory should not hold as a whole. A chunk is valid until the next one is asked for:
   * whoever keeps bytes of it copies them.
   */
  stream(from: ReadFrom, signal?: AbortSignal): AsyncIterable<Buffer>;
  /**
   * Writes a small object in one request. Throws `PreconditionFailed` if the condition does not hold, and `OutputMissing`
   * if the store confirms it and the object is not there.
   *
   * @param metadata user metadata of the object: ASCII, 2 KB at most
   */
  put(
    at: ObjectAt,
    body: Buffer,
    contentType: string,
    condition?: WriteCondition,
    metadata?: Readonly<Record<string, string>>,
  ): Promise<{ etag: string }>;
  /**
   * Uploads a buffer in parts. S3 refuses content that does not have these checksums. A failed upload leaves no parts behind.
   * Throws `ChecksumMismatch` for content that was refused, `NoSuchUpload` if somebody else ended the upload.
   */
  upload(at: ObjectAt, content: UploadContent, signal: AbortSignal): Promise<Written>;
  /**
   * Uploads a stream. The object appears once the stream has ended without an error; an upload that fails, or whose stream
   * does, leaves nothing behind. The stream may reuse the memory of a chunk when it is asked for the next. Throws `Conflict`,
   * `NoSuchUpload` or `OutputMissing` where it has to begin anew, with its stream.
   */
  uploadStream(
    at: ObjectAt,
    chunks: AsyncIterable<Buffer>,
    options: StreamOptions,
    signal: AbortSignal,
  ): Promise<Streamed>;
  /** True if S3 itself can copy an object of the other store to this one. */
  canCopyFrom(other: Store): boolean;
  /** Copies `size` bytes inside S3. Throws as `read` and `upload` do. */
  copy(from: ReadFrom, size: number, to: ObjectAt, signal: AbortSignal): Promise<Written>;
  /** Deletes objects whatever they are by now; keys without an object are ignored. */
  delete(bucket: string, keys: string[]): Promise<void>;
  /** Deletes each object on the condition that it still has this ETag. Returns those that were not deleted. */
  deleteUnchanged(
    bucket: string,
    objects: Pick<ListedObject, 'key' | 'etag'>[],
    signal: AbortSignal,
  ): Promise<Undeleted[]>;
  /**
   * True if the store keeps an object whose ETag is not the one that `deleteUnchanged` names. It is tried out once for a
   * bucket, with an empty object under the prefix, which is deleted again. Throws where the trial fails.
   */
  keepsChanged(at: Location, signal: AbortSignal): Promise<boolean>;
  /**
   * False if the store was seen to write an object although its condition did not hold. Amazon S3 holds its conditions:
   * https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html. Others are tried out under the prefix, once
   * in a process.
   */
  keepsConditions(at: Location): Promise<boolean>;
  /**
   * The algorithms of checksums by which the store verifies uploads: it refuses bytes that do not have the checksum that they
   * are sent with. Amazon S3 does by all. Others are tried out under the prefix, once in a process; for uploads `inParts` they
   * must also be seen to give an object of two parts its CRC-64/NVME, which not every store does that verifies those of parts.
   */
  verifiesUploadsBy(at: Location, options: { inParts: boolean }): Promise<ReadonlySet<Algorithm>>;
  /** The open multipart uploads under a prefix. */
  listUploads(at: Location): Promise<OpenUpload[]>;
  /** Ends an upload and deletes its parts. */
  abortUpload(upload: OpenUpload): Promise<void>;
}

import type { RollupError } from '../../errors.ts';
import type { Location, ObjectAt } from './location.ts';

/** One line of a listing. ETags are without their quotes. */
export interface ListedObject {
  key: string;
  size: number;
  etag: string;
  /** ISO 8601. For a multipart object S3 gives the time at which its upload began: never a watermark. */
  lastModified: string;
  storageClass?: string;
}

/** What is known of an object without reading it. */
export interface ObjectHead {
  size: number;
  etag: string;
  /** CRC-32 of the whole object, where S3 holds one. */
  crc32?: number;
  /** As it was given to `upload`. */
  metadata?: Readonly<Record<string, string>>;
}

/** Bytes of an object as it was when `etag` was seen: all of them, or `length` from `offset`. */
export interface ReadFrom extends ObjectAt {
  etag: string;
  range?: { offset: number; length: number };
}

/** What a writtenOutput write left in the store. */
export interface Written {
  etag: string;
  crc32: number;
}

/** What landed in a buffer, and what S3 says of its format. */
export interface ReadResult {
  crc32: number;
  /** Undefined where there is none. */
  contentEncoding: string | undefined;
}

/** What is uploaded, with the CRC-32 of all of it and of every part. */
export interface UploadContent {
  body: Buffer;
  crc32: number;
  partSize: number;
  partCrcs: number[];
  metadata: Readonly<Record<string, string>>;
}

/** What is uploaded while its bytes come. */
export interface StreamOptions {
  partSize: number;
  metadata: Readonly<Record<string, string>>;
  /**
   * What parts are put together in, and the bound of what is held: room for one part at least, for four to be in flight.
   * Its own where none is given.
   */
  memory?: Buffer;
  /**
   * Whether an object that another write left under the key may stand for this one, though its bytes are not the same.
   * One that is neither is replaced.
   */
  isOurs?: (standing: ObjectHead) => boolean | Promise<boolean>;
}

/** What stands under the key: `size` is of what was sent, unless what stood was taken for it. */
export interface Streamed extends Written {
  size: number;
}

/** An object, whole; its body is undefined where it has more bytes than were asked for. */
export interface Found {
  etag: string;
  size: number;
  body: Buffer | undefined;
}

export interface OpenUpload extends ObjectAt {
  uploadId: string;
  initiated: Date;
}

/** What is still there after it was to be deleted: it is another object by now, or S3 does not allow it. */
export interface Undeleted {
  key: string;
  why: 'changed' | 'refused';
  error: RollupError;
}

/** `absent`: only if there is no such object. Otherwise: only if it still has this ETag. */
export type WriteCondition = 'absent' | { etag: string };

/**
 * The calls that a rollup makes to S3, and no others. Each throws a `RollupError`; each has spent its retries
 * when it does. Writes are atomic: an object is there whole, or not at all.
 */
export interface Store {
  /**
   * Every object under the prefix, or those behind a key, page by page, in S3's key order. Throws `UnsortedListing`
   * where it is not.
   */
  list(at: Location, signal?: AbortSignal, after?: string): AsyncIterable<ListedObject[]>;
  head(at: ObjectAt): Promise<ObjectHead | undefined>;
  /** A small object, whole; undefined where there is none. */
  getIfPresent(at: ObjectAt): Promise<{ body: Buffer; etag: string } | undefined>;
  /** Likewise, but nothing is read of one that has more than `most` bytes. */
  getBounded(at: ObjectAt, most: number): Promise<Found | undefined>;
  /**
   * Fills the buffer, whose length is that of what is read, and tells of what landed in it.
   * Throws `SourceChanged`, `SourceVanished`, `ShortBody`, `BodyStalled`.
   */
  read(from: ReadFrom, into: Buffer, signal: AbortSignal): Promise<ReadResult>;
  /** The same bytes as they come, for comparing what memory should not hold. */
  stream(from: ReadFrom, signal?: AbortSignal): AsyncIterable<Buffer>;
  /** A small object in one request. Throws `PreconditionFailed` where the condition does not hold. */
  put(at: ObjectAt, body: Buffer, contentType: string, condition?: WriteCondition): Promise<{ etag: string }>;
  /**
   * Uploads in parts; S3 refuses what does not have this CRC-32. A failed upload leaves no parts behind.
   * Throws `NoSuchUpload` where somebody else ended the upload.
   */
  upload(at: ObjectAt, content: UploadContent, signal: AbortSignal): Promise<Written>;
  /**
   * Uploads bytes as they come; the object appears once the stream has ended well. Nothing is left of an upload that
   * fails, or whose stream does. The stream may use a chunk's memory again when it is asked for the next.
   */
  uploadStream(
    at: ObjectAt,
    chunks: AsyncIterable<Buffer>,
    options: StreamOptions,
    signal: AbortSignal,
  ): Promise<Streamed>;
  /** Whether S3 itself can bring an object of the other store to this one. */
  canCopyFrom(other: Store): boolean;
  /** Copies inside S3, `size` bytes. Throws as `read` and `upload` do. */
  copy(from: ReadFrom, size: number, to: ObjectAt, signal: AbortSignal): Promise<Written>;
  delete(bucket: string, keys: string[]): Promise<void>;
  /** Deletes each object on the condition that it still has this ETag. Returns what is left. */
  deleteUnchanged(
    bucket: string,
    objects: Pick<ListedObject, 'key' | 'etag'>[],
    signal: AbortSignal,
  ): Promise<Undeleted[]>;
  listUploads(at: Location): Promise<OpenUpload[]>;
  abortUpload(upload: OpenUpload): Promise<void>;
}

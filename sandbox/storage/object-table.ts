import type { Checksum, ChecksumAlgorithm, ChecksumType } from '../checksums.ts';
import { createDigest } from '../checksums.ts';
import type { Content, ContentStore } from './content.ts';
import { S3Error } from '../http/s3-error.ts';
import { SortedKeys } from './sorted-keys.ts';

/** Attributes that a client sends with an object and gets back with it. */
export interface Attributes {
  storageClass: string;
  /** Content-Type and the like, and x-amz-meta-*, by the names of response headers. */
  headers: Record<string, string>;
  tags: Record<string, string>;
  /** SSE-KMS; absent for SSE-S3. */
  encryption?: { keyId: string; bucketKey: boolean };
  /** A canned ACL. */
  acl?: string;
  archive?: Archive;
}

/** What S3 does by itself to an object of an archive class, or of Intelligent-Tiering; here a test does it. */
export interface Archive {
  /** The tier of Intelligent-Tiering that it was moved to. */
  tier?: 'ARCHIVE_ACCESS' | 'DEEP_ARCHIVE_ACCESS';
  restore?: 'ongoing' | 'done';
}

export interface StoredObject {
  key: string;
  size: number;
  /** Without quotes. */
  etag: string;
  /** Milliseconds since the epoch; S3 shows whole seconds. */
  lastModified: number;
  content: Content;
  attributes: Attributes;
  /**
   * Absent for an object that was written without one, until it is asked for: then the CRC-64/NVME that S3 would add.
   */
  checksum?: Checksum;
  /** Sizes of the parts of a multipart object. */
  parts?: number[];
}

export interface Part {
  partNumber: number;
  size: number;
  etag: string;
  lastModified: number;
  content: Content;
  /** By the upload's algorithm; if the upload has none, by the one that the part came with. */
  checksum?: { algorithm: ChecksumAlgorithm; value: string };
}

export interface Upload {
  uploadId: string;
  key: string;
  initiated: number;
  attributes: Attributes;
  checksum?: { algorithm: ChecksumAlgorithm; type: ChecksumType };
}

export interface OpenUpload extends Upload {
  parts: Map<number, Part>;
}

export interface Bucket {
  name: string;
  created: number;
  objects: Map<string, StoredObject>;
  keys: SortedKeys;
  uploads: Map<string, OpenUpload>;
}

/** A change of the table. Replaying all changes in order gives the table again. */
export type Change =
  | { type: 'bucket-created'; bucket: string; at: number }
  | { type: 'bucket-deleted'; bucket: string }
  | { type: 'object-put'; bucket: string; object: StoredObject; completes?: string }
  | { type: 'object-deleted'; bucket: string; key: string }
  | { type: 'upload-began'; bucket: string; upload: Upload }
  | { type: 'part-put'; bucket: string; uploadId: string; part: Part }
  | { type: 'upload-aborted'; bucket: string; uploadId: string };

/**
 * All buckets, objects and uploads. They change only in `commit`, which never awaits: whatever a caller has looked up still
 * holds when it commits without an await in between.
 */
export class ObjectTable {
  readonly buckets = new Map<string, Bucket>();
  readonly content: ContentStore;
  readonly #record: (change: Change) => void;

  constructor(content: ContentStore, record: (change: Change) => void = () => undefined) {
    this.content = content;
    this.#record = record;
  }

  commit(change: Change): void {
    this.#record(change);
    this.apply(change);
  }

  /** Applies a change without recording it, for replaying. */
  apply(change: Change): void {
    if (change.type === 'bucket-created') {
      const { bucket: name, at: created } = change;
      this.buckets.set(name, {
        name,
        created,
        objects: new Map(),
        keys: new SortedKeys(),
        uploads: new Map(),
      });
      return;
    }
    const bucket = this.bucket(change.bucket);
    switch (change.type) {
      case 'bucket-deleted':
        for (const uploadId of [...bucket.uploads.keys()]) this.#end(bucket, uploadId);
        this.buckets.delete(bucket.name);
        break;
      case 'object-put':
        this.#put(bucket, change.object);
        if (change.completes) this.#end(bucket, change.completes);
        break;
      case 'object-deleted':
        this.#delete(bucket, change.key);
        break;
      case 'upload-began':
        bucket.uploads.set(change.upload.uploadId, { ...change.upload, parts: new Map() });
        break;
      case 'part-put':
        this.#putPart(bucket, change.uploadId, change.part);
        break;
      case 'upload-aborted':
        this.#end(bucket, change.uploadId);
        break;
    }
  }

  bucket(name: string): Bucket {
    const bucket = this.buckets.get(name);
    if (bucket) return bucket;
    throw new S3Error('NoSuchBucket', 'The specified bucket does not exist', { BucketName: name });
  }

  object(bucket: string, key: string): StoredObject {
    const object = this.bucket(bucket).objects.get(key);
    if (object) return object;
    throw new S3Error('NoSuchKey', 'The specified key does not exist.', { Key: key });
  }

  upload(bucket: string, key: string, uploadId: string): OpenUpload {
    const upload = this.bucket(bucket).uploads.get(uploadId);
    if (upload?.key === key) return upload;
    throw new S3Error(
      'NoSuchUpload',
      'The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.',
      { UploadId: uploadId },
    );
  }

  /**
   * The object's checksum. It is computed now if the object was written without one, because S3 has one for every
   * object.
   */
  checksum(object: StoredObject): Checksum {
    return (object.checksum ??= {
      algorithm: 'CRC64NVME',
      type: 'FULL_OBJECT',
      value: this.digest('CRC64NVME', object.content),
    });
  }

  digest(algorithm: ChecksumAlgorithm, content: Content): string {
    const digest = createDigest(algorithm);
    for (const bytes of this.content.readNow(content)) digest.update(bytes);
    return digest.digest().toString('base64');
  }

  #put(bucket: Bucket, object: StoredObject): void {
    const previous = bucket.objects.get(object.key);
    this.content.retain(object.content);
    bucket.objects.set(object.key, object);
    if (previous) this.content.release(previous.content);
    else bucket.keys.add(object.key);
  }

  #delete(bucket: Bucket, key: string): void {
    const object = bucket.objects.get(key);
    if (!object) return;
    bucket.objects.delete(key);
    bucket.keys.remove(key);
    this.content.release(object.content);
  }

  #putPart(bucket: Bucket, uploadId: string, part: Part): void {
    const parts = bucket.uploads.get(uploadId)?.parts;
    const previous = parts?.get(part.partNumber);
    this.content.retain(part.content);
    parts?.set(part.partNumber, part);
    if (previous) this.content.release(previous.content);
  }

  #end(bucket: Bucket, uploadId: string): void {
    const upload = bucket.uploads.get(uploadId);
    bucket.uploads.delete(uploadId);
    for (const part of upload?.parts.values() ?? []) this.content.release(part.content);
  }
}

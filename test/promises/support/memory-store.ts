import { createHash } from 'node:crypto';
import { type ErrorCode, RollupError } from '../../../lambda/errors.ts';
import { ALGORITHMS, type Algorithm } from '../../../lambda/rollup/model/checksum/checksum.ts';
import type { Location, ObjectAt } from '../../../lambda/rollup/model/location.ts';
import type {
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
} from '../../../lambda/rollup/model/store.ts';
import { crc32Of } from '../../support/checksums.ts';
import type { Bucket } from './reader.ts';

interface Stored {
  body: Buffer;
  etag: string;
  at: Date;
  metadata: Readonly<Record<string, string>>;
}

/** Under SSE-KMS an ETag is not one of the content: the same bytes written twice have two. */
export type Etags = 'of content' | 'new at every write';

/** One bucket, in memory. Every change is one step; `onChange` looks at what it left. */
export class MemoryBucket implements Bucket {
  readonly objects = new Map<string, Stored>();
  readonly uploads = new Map<string, OpenUpload>();
  now = new Date('2026-11-21T09:05:00Z');
  onChange: () => void = () => undefined;
  readonly #etags: Etags;
  #writes = 0;

  constructor(etags: Etags) {
    this.#etags = etags;
  }

  get(key: string): Buffer | undefined {
    return this.objects.get(key)?.body;
  }

  etag(key: string): string | undefined {
    return this.objects.get(key)?.etag;
  }

  keys(prefix: string): string[] {
    return [...this.objects.keys()].filter((key) => key.startsWith(prefix)).sort();
  }

  put(key: string, body: Buffer, metadata: Stored['metadata'] = {}): Stored {
    const etag =
      this.#etags === 'of content' ? createHash('md5').update(body).digest('hex') : `etag-${++this.#writes}`;
    const stored = { body, etag, at: this.now, metadata };
    this.objects.set(key, stored);
    this.onChange();
    return stored;
  }

  delete(keys: string[]): void {
    for (const key of keys) this.objects.delete(key);
    this.onChange();
  }

  begin(at: ObjectAt): OpenUpload {
    const upload = { ...at, uploadId: `upload-${++this.#writes}`, initiated: this.now };
    this.uploads.set(upload.uploadId, upload);
    return upload;
  }
}

const PAGE = 3;

/**
 * The store of one run. Each of its calls waits for `turn` and then takes effect in one step, so that whoever gives
 * the turns decides how the calls of several runs interleave.
 */
export class MemoryStore implements Store {
  readonly service = undefined;
  readonly #bucket: MemoryBucket;
  readonly #turn: (what: string) => Promise<void>;

  constructor(bucket: MemoryBucket, turn: (what: string) => Promise<void>) {
    this.#bucket = bucket;
    this.#turn = turn;
  }

  async *list({ prefix }: Location, _signal?: AbortSignal, from = ''): AsyncGenerator<ListedObject[]> {
    for (let after = from; ;) {
      await this.#turn(`list ${prefix}`);
      const keys = this.#bucket.keys(prefix).filter((key) => key > after);
      yield keys.slice(0, PAGE).flatMap((key) => {
        const stored = this.#bucket.objects.get(key);
        if (stored === undefined) return [];
        const { body, etag, at } = stored;
        return [{ key, size: body.length, etag, lastModified: at.toISOString() }];
      });
      if (keys.length <= PAGE) return;
      after = keys[PAGE - 1] ?? '';
    }
  }

  /** No request of it waits for a store that is away. */
  until(): this {
    return this;
  }

  async listFirst({ prefix }: Location, { most }: { most: number }): Promise<FirstKeys> {
    await this.#turn(`list ${prefix}`);
    const keys = this.#bucket.keys(prefix);
    return { keys: keys.slice(0, most), folders: [], hasMore: keys.length > most };
  }

  /** Not tried out: it does. */
  keepsConditions(): Promise<boolean> {
    return Promise.resolve(true);
  }

  /** Not tried out: it does. */
  verifiesUploadsBy(): Promise<ReadonlySet<Algorithm>> {
    return Promise.resolve(new Set(ALGORITHMS));
  }

  /** Not tried out: it does. */
  keepsChanged(): Promise<boolean> {
    return Promise.resolve(true);
  }

  async head({ key }: ObjectAt): Promise<ObjectHead | undefined> {
    await this.#turn(`head ${key}`);
    const stored = this.#bucket.objects.get(key);
    if (stored === undefined) return undefined;
    const { body, etag, metadata } = stored;
    return { size: body.length, etag, metadata, checksum: crc32Of(body) };
  }

  async getIfPresent({ key }: ObjectAt): Promise<{ body: Buffer; etag: string } | undefined> {
    await this.#turn(`get ${key}`);
    return this.#bucket.objects.get(key);
  }

  async getBounded({ key }: ObjectAt, most: number): Promise<Found | undefined> {
    await this.#turn(`get ${key}`);
    const stored = this.#bucket.objects.get(key);
    if (stored === undefined) return undefined;
    const { body, etag, metadata } = stored;
    return { etag, size: body.length, body: body.length > most ? undefined : body, metadata };
  }

  async read(from: ReadFrom, into: Buffer, signal: AbortSignal): Promise<ReadResult> {
    await this.#turn(`read ${from.key}`);
    if (signal.aborted) throw failure('Aborted');
    this.#pinned(from).copy(into);
    return { checksum: crc32Of(into), contentEncoding: undefined };
  }

  async *stream(from: ReadFrom): AsyncGenerator<Buffer> {
    await this.#turn(`stream ${from.key}`);
    yield this.#pinned(from);
  }

  async put(
    { key }: ObjectAt,
    body: Buffer,
    _type: string,
    condition?: WriteCondition,
    metadata?: Readonly<Record<string, string>>,
  ): Promise<{ etag: string }> {
    await this.#turn(`put ${key}`);
    const standing = this.#bucket.etag(key);
    const holds =
      condition === undefined ||
      (condition === 'absent' ? standing === undefined : standing === condition.etag);
    if (!holds) throw failure('PreconditionFailed', key);
    return this.#bucket.put(key, body, metadata);
  }

  async upload(
    at: ObjectAt,
    { body: slab, checksum, metadata }: Pick<UploadContent, 'body' | 'checksum' | 'metadata'>,
    signal: AbortSignal,
  ): Promise<Written> {
    const body = Buffer.from(slab);
    await this.#turn(`begin ${at.key}`);
    const upload = this.#bucket.begin(at);
    await this.#turn(`complete ${at.key}`);
    const open = this.#bucket.uploads.delete(upload.uploadId);
    if (signal.aborted) throw failure('Aborted');
    // As lambda/s3/upload.ts does: what is there already stays as it is.
    const standing = this.#bucket.etag(at.key);
    if (standing !== undefined) return { etag: standing, checksum };
    if (!open) throw failure('NoSuchUpload', at.key);
    return { etag: this.#bucket.put(at.key, body, metadata).etag, checksum };
  }

  async uploadStream(
    at: ObjectAt,
    chunks: AsyncIterable<Buffer>,
    { metadata }: StreamOptions,
    signal: AbortSignal,
  ): Promise<Streamed> {
    const body = Buffer.concat(await Array.fromAsync(chunks, (chunk) => Buffer.from(chunk)));
    const written = await this.upload(at, { body, checksum: crc32Of(body), metadata }, signal);
    return { ...written, size: body.length };
  }

  canCopyFrom(other: unknown): boolean {
    return other === this;
  }

  async copy(from: ReadFrom, _size: number, to: ObjectAt, signal: AbortSignal): Promise<Written> {
    await this.#turn(`copy ${from.key} ${to.key}`);
    if (signal.aborted) throw failure('Aborted');
    const body = Buffer.from(this.#pinned(from));
    const etag = this.#bucket.etag(to.key) ?? this.#bucket.put(to.key, body).etag;
    return { etag, checksum: crc32Of(body) };
  }

  async delete(_bucket: string, keys: string[]): Promise<void> {
    if (keys.length === 0) return;
    await this.#turn(`delete ${keys.join(' ')}`);
    this.#bucket.delete(keys);
  }

  async deleteUnchanged(
    _bucket: string,
    objects: Pick<ListedObject, 'key' | 'etag'>[],
  ): Promise<Undeleted[]> {
    await this.#turn(`delete ${objects.map(({ key }) => key).join(' ')}`);
    const changed = objects.filter(({ key, etag }) => ![undefined, etag].includes(this.#bucket.etag(key)));
    const left = new Set(changed.map(({ key }) => key));
    this.#bucket.delete(objects.map(({ key }) => key).filter((key) => !left.has(key)));
    return [...left].map((key) => ({ key, why: 'changed', error: failure('PreconditionFailed', key) }));
  }

  async listUploads({ prefix }: Location): Promise<OpenUpload[]> {
    await this.#turn(`list uploads`);
    return [...this.#bucket.uploads.values()].filter(({ key }) => key.startsWith(prefix));
  }

  async abortUpload({ uploadId }: OpenUpload): Promise<void> {
    await this.#turn(`abort ${uploadId}`);
    this.#bucket.uploads.delete(uploadId);
  }

  #pinned({ key, etag, range }: ReadFrom): Buffer {
    const stored = this.#bucket.objects.get(key);
    if (stored === undefined) throw failure('SourceVanished', key);
    if (stored.etag !== etag) throw failure('SourceChanged', key);
    return range === undefined
      ? stored.body
      : stored.body.subarray(range.offset, range.offset + range.length);
  }
}

function failure(code: ErrorCode, key?: string): RollupError {
  return new RollupError(code, `${code} ${key ?? ''}`, { key });
}

import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { GetObjectCommand, ListObjectsV2Command, type S3Client } from '@aws-sdk/client-s3';
import { RollupError, hasCode } from '../errors.ts';
import { release } from '../chunk.ts';
import { type Checksum, asCrc32, isSame } from '../rollup/model/checksum/checksum.ts';
import type { ObjectAt } from '../rollup/model/location.ts';
import type { Found, ReadFrom, ReadOptions, ReadResult } from '../rollup/model/store.ts';
import { otherBytes } from '../rollup/model/checksum/stored-checksum.ts';
import { hasChecksum, parseChecksum } from './checksums.ts';
import { decodeKey, formatRange, quoteEtag, unquoteEtag } from './conditions.ts';
import { toRollupError } from './errors.ts';
import { DirectGet, type Landed, type RequestPath, type OpenedObject } from './client/direct-get.ts';
import { readInto, short, stalled } from './client/read-into.ts';
import { askForChecksums } from './client/middleware.ts';
import type { RequestCounter } from './client/request-counter.ts';
import { backoff } from './client/retry.ts';
import type { Timeouts } from './client/timeouts.ts';

/** Downloads of one object, the first included, where the body fails. Failures before the body are repeated by the SDK. */
const BODY_ATTEMPTS = 4;
const FIRST_DELAY_MS = 100;

const OPERATION = 'GetObject';

/** Reads objects: sources, outputs, manifests. Each GET goes the direct way first, and by the SDK where that gives nothing. */
export class ObjectReader {
  readonly #client: S3Client;
  readonly #counter: RequestCounter;
  readonly #directGet: DirectGet;
  readonly #timeouts: Timeouts;

  constructor(path: RequestPath) {
    this.#client = path.client;
    this.#counter = path.counter;
    this.#timeouts = path.timeouts;
    this.#directGet = new DirectGet(path);
  }

  /**
   * Fills a buffer of just the length that is read, and checks it against S3's checksums, unless it is `trusted`.
   *
   * @throws RollupError `SourceChanged`, `SourceVanished`, `ShortBody`, `BodyStalled`, `ChecksumMismatch`
   */
  read(from: ReadFrom, into: Buffer, signal: AbortSignal, options: ReadOptions = {}): Promise<ReadResult> {
    return this.#repeated(signal, async () => {
      const landed = await this.#read(from, into, signal, options);
      if ('length' in landed) throw otherLength(from.key, landed.length, into.length);
      const { crc32, stated, contentEncoding } = landed;
      if (stated === undefined) return { checksum: asCrc32(crc32), contentEncoding };
      if (options.trusted !== true && !(await hasArrived(into, landed))) throw otherBytes(from.key);
      return { checksum: stated, contentEncoding };
    });
  }

  /** Sends a GET over a connection of our own, or else by Node's HTTP client, and reads its body into a buffer. */
  async #read(
    from: ReadFrom,
    into: Buffer,
    signal: AbortSignal,
    { trusted = false }: ReadOptions,
  ): Promise<Landed | { length: number }> {
    const lends = await this.#directGet.lends(from.bucket);
    const landed = lends ? await this.#directGet.read(from, { into, trusted }, signal) : undefined;
    if (landed !== undefined) return landed;
    const opened = lends ? this.#open(from, signal) : this.#get(from, signal);
    const { body, length, ...described } = requireLength(from.key, await opened);
    try {
      if (length !== into.length) return { length };
      return { crc32: await readInto(body, into, from.key, signal, this.#timeouts.bodyIdle), ...described };
    } finally {
      // A body that is not read to its end would keep its connection.
      body.destroy();
    }
  }

  /** Reads a small object, whatever its ETag is. */
  async readWhole(at: ObjectAt, signal: AbortSignal): Promise<{ body: Buffer; etag: string }> {
    const { body = Buffer.alloc(0), etag } = await this.readBounded(at, Infinity, signal);
    return { body, etag };
  }

  /** Reads an object of at most `most` bytes. Of a larger one only size and ETag are returned. */
  readBounded({ bucket, key }: ObjectAt, most: number, signal: AbortSignal): Promise<Found> {
    return this.#repeated(signal, async () => {
      const opened = requireLength(key, await this.#open({ bucket, key }, signal));
      const { body, length, etag, stated, metadata } = opened;
      try {
        if (length > most) return { body: undefined, etag, size: length };
        const into = Buffer.allocUnsafe(length);
        const crc32 = await readInto(body, into, key, signal, this.#timeouts.bodyIdle);
        if (!(await hasArrived(into, { crc32, stated }))) throw otherBytes(key);
        return { body: into, etag, size: length, metadata };
      } finally {
        body.destroy();
      }
    });
  }

  /**
   * Yields an object's bytes as they arrive; a chunk is valid until the next one is asked for. Where a body fails, another
   * request continues at the byte where it ended.
   */
  async *stream(from: ReadFrom, signal = new AbortController().signal): AsyncGenerator<Buffer> {
    let { offset, length } = from.range ?? { offset: 0, length: undefined };
    for (let attempt = 1; ; attempt++) {
      const rest = attempt === 1 || length === undefined ? from : { ...from, range: { offset, length } };
      const opened = await this.#get(rest, signal);
      length ??= opened.length;
      try {
        for await (const chunk of chunksOf(opened, from.key, this.#timeouts.bodyIdle)) {
          offset += chunk.length;
          length -= chunk.length;
          yield chunk;
          release(chunk);
        }
        return;
      } catch (error) {
        if (!isRetryable(error) || length === 0 || attempt === BODY_ATTEMPTS || signal.aborted) throw error;
        this.#counter.countRetry();
        await delay(backoff(FIRST_DELAY_MS, attempt), undefined, { signal });
      } finally {
        opened.body.destroy();
      }
    }
  }

  /** Sends a GET, the direct way or by the SDK, and returns the body unread. */
  async #get(from: ReadFrom, signal: AbortSignal): Promise<OpenedObject> {
    const opened = (await this.#directGet.get(from, signal)) ?? (await this.#open(from, signal));
    return requireLength(from.key, opened);
  }

  /** Sends a GET by the SDK, with its retries, and returns the body unread. Without an ETag it takes the object as it is. */
  async #open(
    from: ObjectAt & Partial<ReadFrom>,
    signal: AbortSignal,
  ): Promise<OpenedObject & { etag: string; metadata: Record<string, string> }> {
    const { bucket, key, etag, range } = from;
    const command = new GetObjectCommand({
      Bucket: bucket,
      Key: key,
      ...(etag === undefined ? {} : { IfMatch: quoteEtag(etag) }),
      ...(range === undefined ? {} : { Range: formatRange(range) }),
    });
    if (range === undefined) askForChecksums(command);
    try {
      const found = await this.#client.send(command, { abortSignal: signal });
      const stated = parseChecksum(found);
      const length = found.ContentLength ?? NaN;
      const { ContentEncoding: contentEncoding, ETag, Metadata: metadata = {} } = found;
      const etag = unquoteEtag(ETag);
      return { body: found.Body as Readable, length, stated, contentEncoding, etag, metadata };
    } catch (error) {
      const failed = toRollupError(error, { operation: OPERATION, bucket, key });
      throw hasCode(failed, 'PreconditionFailed')
        ? changed(key, error)
        : await refusedOrAbsent(this.#client, from, failed, signal);
    }
  }

  /** Repeats a download whose body failed, from its first byte. */
  async #repeated<T>(signal: AbortSignal, download: () => Promise<T>): Promise<T> {
    let giveUpAt = Infinity;
    for (let attempt = 1; ; attempt++) {
      try {
        return await download();
      } catch (error) {
        if (!isRetryable(error) || attempt === BODY_ATTEMPTS || signal.aborted) throw error;
        giveUpAt = Math.min(giveUpAt, performance.now() + this.#timeouts.retries);
        if (performance.now() >= giveUpAt) throw error;
        this.#counter.countRetry();
        await delay(backoff(FIRST_DELAY_MS, attempt), undefined, { signal });
      }
    }
  }
}

/**
 * True where a body has the checksum that S3 stated, or where it stated none.
 *
 * @param landed `crc32`: that of the body; it is not looked at where another checksum was stated
 */
async function hasArrived(
  body: Buffer,
  { crc32, stated }: { crc32: number; stated: Checksum | undefined },
): Promise<boolean> {
  if (stated?.algorithm === 'crc32') return isSame(stated, asCrc32(crc32));
  return stated === undefined || hasChecksum(body, stated);
}

/** True for failures of a body that another download may not have. */
function isRetryable(error: unknown): boolean {
  return hasCode(error, 'ShortBody', 'BodyStalled', 'ChecksumMismatch');
}

/** Yields a body's chunks and checks their total length. Throws `ShortBody`, `BodyStalled`. */
async function* chunksOf(
  { body, length }: OpenedObject,
  key: string,
  idleMs: number,
): AsyncGenerator<Buffer> {
  const chunks = body[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  let left = length;
  for (;;) {
    // The timer runs only while this waits for S3: a consumer that is slow does not make the body a stalled one.
    const idle = setTimeout(() => body.destroy(stalled(key, idleMs)), idleMs);
    const next = await chunks
      .next()
      .catch((error: unknown) => {
        throw error instanceof RollupError ? error : short(key, length - left, length, error);
      })
      .finally(() => {
        clearTimeout(idle);
      });
    if (next.done === true) break;
    left -= next.value.length;
    yield next.value;
  }
  if (left !== 0) throw short(key, length - left, length);
}

/**
 * Finds out by a listing if a refused object exists. To a role that may list only under a prefix S3 answers 403 for an object
 * that does not exist, because a GET or HEAD names no prefix.
 *
 * @returns `SourceVanished` where there is no such object, otherwise `failed`
 */
export async function refusedOrAbsent(
  client: S3Client,
  { bucket, key }: ObjectAt,
  failed: RollupError,
  abortSignal: AbortSignal,
) {
  if (!hasCode(failed, 'AccessDenied')) return failed;
  const command = new ListObjectsV2Command({ Bucket: bucket, Prefix: key, MaxKeys: 1, EncodingType: 'url' });
  const listed = await client.send(command, { abortSignal }).catch(() => undefined);
  if (listed === undefined) return failed;
  if (decodeKey(listed.Contents?.[0]?.Key, listed.EncodingType) === key) return failed;
  return new RollupError('SourceVanished', `s3://${bucket}/${key} is not there.`, { key, cause: failed });
}

function changed(key: string, cause: unknown): RollupError {
  const message = `${key} changed while it was being rolled up. Run again: what is written is kept.`;
  return new RollupError('SourceChanged', message, { key, cause });
}

function otherLength(key: string, length: number, listed: number): RollupError {
  return new RollupError('ShortBody', `${key} has ${length} bytes where its listing said ${listed}.`, {
    key,
  });
}

/**
 * Throws `S3Error` for a response that does not say how long its body is: nothing would tell a whole one from one that was
 * cut. S3 always says it: https://docs.aws.amazon.com/AmazonS3/latest/API/RESTCommonResponseHeaders.html
 */
function requireLength<Opened extends OpenedObject>(key: string, opened: Opened): Opened {
  if (!Number.isNaN(opened.length)) return opened;
  opened.body.destroy();
  throw unannounced(OPERATION, key);
}

/** The error of a response without a Content-Length. */
export function unannounced(operation: string, key: string): RollupError {
  const message = `${operation} ${key}: the response has no Content-Length. S3 always sends one: look at what stands between (a proxy that compresses), or at the store.`;
  return new RollupError('S3Error', message, { key });
}

import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { GetObjectCommand, ListObjectsV2Command, type S3Client } from '@aws-sdk/client-s3';
import { RollupError, hasCode } from '../errors.ts';
import type { ObjectAt } from '../rollup/model/location.ts';
import type { Found, ReadResult, ReadFrom } from '../rollup/model/store.ts';
import { matches, parseChecksums } from './checksums.ts';
import { decodeKey, formatRange, quoteEtag, unquoteEtag } from './conditions.ts';
import { toRollupError } from './errors.ts';
import { DirectGet, type RequestPath, type Opened } from './client/direct-get.ts';
import { readInto, short, stalled } from './client/read-into.ts';
import { askForChecksums } from './client/middleware.ts';
import type { RequestCounter } from './client/request-counter.ts';
import { backoff } from './client/retry.ts';
import type { Timeouts } from './client/timeouts.ts';

/** ObjectReader of one object, the first included, where the body fails; what fails before that is repeated by the SDK. */
const BODY_ATTEMPTS = 4;
const FIRST_DELAY_MS = 100;

const OPERATION = 'GetObject';

/** Every GET: of sources, of outputs, of the manifest. */
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

  /** See `Store.read`. */
  read(from: ReadFrom, into: Buffer, signal: AbortSignal): Promise<ReadResult> {
    return this.#repeated(signal, async () => {
      const { body, length, checksums, contentEncoding } =
        (await this.#directGet.get(from, signal)) ?? (await this.#open(from, signal));
      try {
        if (length !== into.length) throw otherLength(from.key, length, into.length);
        const crc32 = await readInto(body, into, from.key, signal, this.#timeouts.bodyIdle);
        if (!matches(into, crc32, checksums)) throw mismatch(from.key);
        return { crc32, contentEncoding };
      } finally {
        // An unread body would keep its connection.
        body.destroy();
      }
    });
  }

  /** A small object, as it is now. */
  async readWhole(at: ObjectAt): Promise<{ body: Buffer; etag: string }> {
    const { body = Buffer.alloc(0), etag } = await this.readBounded(at, Infinity);
    return { body, etag };
  }

  /** See `Store.getBounded`. */
  readBounded({ bucket, key }: ObjectAt, most: number): Promise<Found> {
    const { signal } = new AbortController();
    return this.#repeated(signal, async () => {
      const { body, length, etag, checksums } = await this.#open({ bucket, key }, signal);
      try {
        if (length > most) return { body: undefined, etag, size: length };
        const into = Buffer.allocUnsafe(length);
        const landed = await readInto(body, into, key, signal, this.#timeouts.bodyIdle);
        if (!matches(into, landed, checksums)) throw mismatch(key);
        return { body: into, etag, size: length };
      } finally {
        body.destroy();
      }
    });
  }

  /** See `Store.stream`. A body that fails is gone on with from where it ended. */
  async *stream(from: ReadFrom, signal = new AbortController().signal): AsyncGenerator<Buffer> {
    let { offset, length } = from.range ?? { offset: 0, length: undefined };
    for (let attempt = 1; ; attempt++) {
      const rest = attempt === 1 || length === undefined ? from : { ...from, range: { offset, length } };
      const opened = (await this.#directGet.get(rest, signal)) ?? (await this.#open(rest, signal));
      length ??= opened.length;
      try {
        for await (const chunk of chunksOf(opened, from.key, this.#timeouts.bodyIdle)) {
          offset += chunk.length;
          length -= chunk.length;
          yield chunk;
        }
        return;
      } catch (error) {
        if (!isPassing(error) || length === 0 || attempt === BODY_ATTEMPTS || signal.aborted) throw error;
        this.#counter.countRetry();
        await delay(backoff(FIRST_DELAY_MS, attempt), undefined, { signal });
      } finally {
        opened.body.destroy();
      }
    }
  }

  /** The SDK's GET, with its retries and its errors. */
  async #open(from: ObjectAt & Partial<ReadFrom>, signal: AbortSignal): Promise<Opened & { etag: string }> {
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
      const checksums = parseChecksums(found.ChecksumCRC32, found.ChecksumCRC64NVME);
      const length = found.ContentLength ?? NaN;
      const { ContentEncoding: contentEncoding, ETag } = found;
      return { body: found.Body as Readable, length, checksums, contentEncoding, etag: unquoteEtag(ETag) };
    } catch (error) {
      const failed = toRollupError(error, { operation: OPERATION, bucket, key });
      throw hasCode(failed, 'PreconditionFailed')
        ? changed(key, error)
        : await refusedOrAbsent(this.#client, from, failed);
    }
  }

  /** A body that fails is downloaded anew, whole. */
  async #repeated<T>(signal: AbortSignal, download: () => Promise<T>): Promise<T> {
    let giveUpAt = Infinity;
    for (let attempt = 1; ; attempt++) {
      try {
        return await download();
      } catch (error) {
        if (!isPassing(error) || attempt === BODY_ATTEMPTS || signal.aborted) throw error;
        giveUpAt = Math.min(giveUpAt, performance.now() + this.#timeouts.retries);
        if (performance.now() >= giveUpAt) throw error;
        this.#counter.countRetry();
        await delay(backoff(FIRST_DELAY_MS, attempt), undefined, { signal });
      }
    }
  }
}

function isPassing(error: unknown): boolean {
  return hasCode(error, 'ShortBody', 'BodyStalled', 'ChecksumMismatch');
}

/** A body's chunks, all of them. Throws `ShortBody`, `BodyStalled`. */
async function* chunksOf({ body, length }: Opened, key: string, idleMs: number): AsyncGenerator<Buffer> {
  const chunks = body[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  let left = length;
  for (;;) {
    // Only while this side waits: a slow reader is no stalled body.
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
 * S3 answers 403 for an object that is not there to a role that may list only under a prefix: a GET has none. A
 * listing tells. Gives `SourceVanished` where the object is absent, otherwise the error as it was.
 */
export async function refusedOrAbsent(client: S3Client, { bucket, key }: ObjectAt, failed: RollupError) {
  if (!hasCode(failed, 'AccessDenied')) return failed;
  const command = new ListObjectsV2Command({ Bucket: bucket, Prefix: key, MaxKeys: 1, EncodingType: 'url' });
  const listed = await client.send(command).catch(() => undefined);
  if (listed === undefined || decodeKey(listed.Contents?.[0]?.Key) === key) return failed;
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

function mismatch(key: string): RollupError {
  const message = `${key} arrived with another checksum than S3 has for it.`;
  return new RollupError('ChecksumMismatch', message, { key });
}

import { type CompletedPart, PutObjectCommand, type S3Client, UploadPartCommand } from '@aws-sdk/client-s3';
import { RollupError, hasCode } from '../errors.ts';
import { type Checksum, asCrc32 } from '../rollup/model/checksum/checksum.ts';
import { combineCrc32, crc32 } from '../rollup/model/checksum/crc32.ts';
import { aborted } from '../concurrency.ts';
import type { ObjectAt } from '../rollup/model/location.ts';
import type { ObjectHead, Store, StreamOptions, Streamed } from '../rollup/model/store.ts';
import { MOST_PARTS, PARTS_IN_FLIGHT } from '../settings/settings.ts';
import { formatSize } from '../size.ts';
import type { OutputParams } from './attributes.ts';
import { checksumParams } from './checksums.ts';
import { quoteEtag } from './conditions.ts';
import { confirmed } from './confirm.ts';
import { toRollupError } from './errors.ts';
import { type OpenMultipart, inParts } from './multipart.ts';
import { type Once, holds, writeOnce } from './write-once.ts';
import { PART_MS, partMs } from './client/timeouts.ts';

interface Part {
  body: Buffer;
  crc32: number;
  /** True for the last part of the stream. */
  last: boolean;
}

/**
 * Uploads a stream of unknown length in parts, with no more of it in memory than `options.memory` has room for. S3 checks each
 * part, and the whole before the object becomes visible. A stream of one part is put in one request. If the upload or the
 * stream fails, nothing is left behind.
 *
 * @throws RollupError; `InvalidArgument` for a stream that takes more than 10,000 parts; `Conflict`, `NoSuchUpload` and
 *   `OutputMissing` where the upload has to begin anew, with the stream
 */
export async function uploadStream(
  store: Store,
  client: S3Client,
  at: ObjectAt,
  chunks: AsyncIterable<Buffer>,
  options: StreamOptions & { params: Partial<OutputParams> },
  signal: AbortSignal,
): Promise<Streamed> {
  const buffers = partBuffers(options);
  const parts = new Parts(chunks);
  const target = { Bucket: at.bucket, Key: at.key, Metadata: options.metadata, ...options.params };
  try {
    signal.throwIfAborted();
    const [into] = buffers as [Buffer];
    const first = await parts.fill(into);
    signal.throwIfAborted();
    if (first.last) return await putWhole(store, client, { ...target, at }, first, options, signal);
    return await inParts(client, target, { signal, completeMs: PART_MS }, (open) =>
      sendParts(store, client, { at, open, first, parts, buffers }, options, signal),
    );
  } catch (error) {
    throw toRollupError(error, { operation: 'Upload', ...at });
  } finally {
    await parts.close();
  }
}

async function putWhole(
  store: Store,
  client: S3Client,
  { at, ...target }: { at: ObjectAt; Bucket: string; Key: string },
  { body, crc32: crc }: Part,
  options: StreamOptions,
  signal: AbortSignal,
): Promise<Streamed> {
  const whole = { size: body.length, checksum: asCrc32(crc) };
  const stored = await written(store, at, options, {
    signal,
    isOurs: isOurs(whole, options, [store, at, signal]),
    write: async (condition) => {
      const command = new PutObjectCommand({
        ...target,
        ...condition,
        ...checksumParams(whole.checksum),
        Body: body,
      });
      const done = await client.send(command, { abortSignal: signal, requestTimeout: partMs(body.length) });
      return { ...whole, etag: (await confirmed(store, at, done, whole)).etag };
    },
  });
  return streamed(stored, whole);
}

/** Arguments of `sendParts`. */
interface Sending {
  at: ObjectAt;
  open: OpenMultipart;
  first: Part;
  parts: Parts;
  /** The first buffer has the first part. */
  buffers: Buffer[];
}

/** Uploads parts while the stream is read, each from a buffer of its own, and completes the upload. */
async function sendParts(
  store: Store,
  client: S3Client,
  { at, open, first, parts, buffers }: Sending,
  options: StreamOptions,
  signal: AbortSignal,
): Promise<Streamed> {
  const stop = new AbortController();
  const abortSignal = AbortSignal.any([signal, stop.signal]);
  const idle = buffers.slice(1);
  const busy = new Set<Promise<void>>();
  const completed: CompletedPart[] = [];
  let size = 0;
  let crc = 0;
  let failure: { error: unknown } | undefined;
  const fail = (error: unknown): void => {
    failure ??= { error };
    stop.abort(aborted());
  };

  async function send(PartNumber: number, { body, crc32: crc }: Part): Promise<void> {
    const sent = checksumParams(asCrc32(crc));
    const command = new UploadPartCommand({ ...open.upload, PartNumber, ...sent, Body: body });
    const { ETag } = await client.send(command, { abortSignal, requestTimeout: partMs(body.length) });
    completed[PartNumber - 1] = { PartNumber, ETag, ...sent };
  }

  let [buffer] = buffers as [Buffer];
  try {
    for (let number = 1, part = first; ; number++, part = await parts.fill(buffer)) {
      abortSignal.throwIfAborted();
      if (number > MOST_PARTS) throw tooMany(at.key, buffer.length);
      crc = combineCrc32(crc, part.crc32, part.body.length);
      size += part.body.length;
      const used = buffer;
      const sending = send(number, part)
        .catch(fail)
        .finally(() => {
          idle.push(used);
          busy.delete(sending);
        });
      busy.add(sending);
      if (part.last) break;
      while (idle.length === 0) await Promise.race(busy);
      buffer = idle.pop() as Buffer;
    }
  } catch (error) {
    fail(error);
  }
  await Promise.all(busy);
  if (failure !== undefined) throw failure.error;

  const whole = { size, checksum: asCrc32(crc) };
  const stored = await written(store, at, options, {
    signal,
    isOurs: isOurs(whole, options, [store, at, signal]),
    mayRepeat: isRefusedCondition,
    write: async (condition) => {
      const done = await open.complete(completed, { ...condition, ...checksumParams(whole.checksum) });
      return { ...whole, etag: (await confirmed(store, at, done, whole)).etag };
    },
  });
  return streamed(stored, whole);
}

/** Writes on the condition that was asked for, otherwise as `writeOnce` does. */
function written(store: Store, at: ObjectAt, { condition }: StreamOptions, once: Once): Promise<ObjectHead> {
  if (condition === undefined) return writeOnce(store, at, once);
  return once.write(condition === 'absent' ? { IfNoneMatch: '*' } : { IfMatch: quoteEtag(condition.etag) });
}

/**
 * True where a completion may be sent again for the same upload, with another condition: S3 keeps an upload whose condition
 * did not hold. On a 409 it asks for a new upload, with all of its parts.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
 */
function isRefusedCondition(error: unknown): boolean {
  return hasCode(error, 'PreconditionFailed', 'SourceVanished');
}

/** Accepts an existing object that has the same bytes, or that `options.isOurs` accepts. */
function isOurs(
  whole: { size: number; checksum: Checksum },
  options: StreamOptions,
  [store, at, signal]: [Store, ObjectAt, AbortSignal],
): (existing: ObjectHead) => Promise<boolean> {
  return async (existing) =>
    (await holds(store, at, existing, whole, signal)) || (await options.isOurs?.(existing)) === true;
}

/** An existing object without a checksum in its headers was accepted because it has the same bytes: theirs is known. */
function streamed({ size, etag, checksum }: ObjectHead, whole: { checksum: Checksum }): Streamed {
  return { size, etag, checksum: checksum ?? whole.checksum };
}

/** Buffers of one part each: as many as there is memory for, one at least, and no more than may be in flight. */
function partBuffers({ partSize, memory }: StreamOptions): Buffer[] {
  const all = memory ?? Buffer.allocUnsafeSlow(PARTS_IN_FLIGHT * partSize);
  const count = Math.min(PARTS_IN_FLIGHT, Math.floor(all.length / partSize));
  if (count === 0) throw new Error('There is no memory for a part.');
  return Array.from({ length: count }, (_, i) => all.subarray(i * partSize, (i + 1) * partSize));
}

/** Cuts a stream into parts. */
class Parts {
  readonly #chunks: AsyncIterator<Buffer>;
  #chunk: Buffer = Buffer.alloc(0);
  #ended = false;

  constructor(chunks: AsyncIterable<Buffer>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** Fills the buffer with the next part. It waits for one more chunk to know if the part is the last. */
  async fill(into: Buffer): Promise<Part> {
    let length = 0;
    let crc = 0;
    while (length < into.length && (await this.#more())) {
      const copied = this.#chunk.copy(into, length);
      crc = crc32(into.subarray(length, length + copied), crc);
      this.#chunk = this.#chunk.subarray(copied);
      length += copied;
    }
    return { body: into.subarray(0, length), crc32: crc, last: !(await this.#more()) };
  }

  async #more(): Promise<boolean> {
    while (this.#chunk.length === 0 && !this.#ended) {
      const next = await this.#chunks.next();
      if (next.done === true) this.#ended = true;
      else this.#chunk = next.value;
    }
    return this.#chunk.length > 0;
  }

  async close(): Promise<void> {
    if (!this.#ended) await this.#chunks.return?.();
  }
}

function tooMany(key: string, partSize: number): RollupError {
  const message = `${key} would take more than S3's ${MOST_PARTS} parts of ${formatSize(partSize)}. Raise the target size, and the part size with it.`;
  return new RollupError('InvalidArgument', message, { key });
}

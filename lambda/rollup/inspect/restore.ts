import pLimit from 'p-limit';
import { FirstFailure, inOrder } from '../../concurrency.ts';
import { type ErrorCode, RollupError, hasCode } from '../../errors.ts';
import { PARTS_IN_FLIGHT } from '../../settings/settings.ts';
import type { Settings } from '../../settings/table.ts';
import { withCommitted } from '../committed/read-committed.ts';
import { asCrc32, isSame } from '../model/checksum/checksum.ts';
import { checksumOfObject } from '../model/checksum/stored-checksum.ts';
import { crc32 } from '../model/checksum/crc32.ts';
import { type Location, type ObjectAt, formatLocation } from '../model/location.ts';
import type { CommittedSource, Rollup } from '../model/manifest.ts';
import type { ObjectHead, Store, StreamOptions } from '../model/store.ts';
import { BufferPool } from '../write/buffer-pool.ts';
import { MiB } from '../../size.ts';
import { streamedCopySizes } from '../write/streamed-copy.ts';
import { OutputReader, type WantedKeys, type WantedSource, WantedSources, nothingUnder } from './extract.ts';

/** Objects of more than one part that are uploaded at once; each has the memory of four parts. */
const LARGE_AT_ONCE = 2;
/** Bytes of a part, at most: several objects are restored at once, each in memory of its own. */
const LARGEST_PART = 8 * MiB;
/** Most bytes of a key in UTF-8: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html */
const LONGEST_KEY = 1024;

/** What is to be restored, and where to. */
export interface RestoreRequest {
  /** The destination of the rollup. */
  destination: Location;
  wanted: WantedKeys;
  /** A folder. Each object gets its key behind the last slash of the source prefix, under this. */
  to: Location;
  /** True if an object that is there with other bytes is replaced. */
  overwrite: boolean;
}

/** The stores, bounds and callbacks of `restore`. */
export interface RestoreContext {
  /** The store of the rollup. */
  store: Store;
  /** The store that objects are written to. */
  target: Store;
  /** `concurrency`: objects in work at once. */
  settings: Pick<Settings, 'concurrency' | 'partSize'>;
  /** Called after each object, with how much of the whole is done. */
  progress: (done: RestoreProgress) => void;
  /** Ends it: everything in flight is aborted and waited for. */
  signal: AbortSignal;
}

/** How much of a restore is done: all objects whose outcome is known, and their bytes. */
export interface RestoreProgress {
  objects: number;
  bytes: number;
  totalObjects: number;
  totalBytes: number;
}

/** The result of `restore`. */
export interface Restored {
  /** Objects that were written. */
  objects: number;
  /** The sum of their sizes. */
  bytes: number;
  /** Objects that were there already with the same bytes. */
  present: number;
  /** Objects that were not written because of their key, or of another object that has it. */
  refused: { key: string; why: string }[];
  /** Objects whose bytes could not be read, or not be written. */
  failed: { key: string; code: ErrorCode; message: string }[];
  /** Keys that were asked for and are not in the rollup. */
  missing: string[];
}

/** Failures that every other object would have too. */
const OF_ALL = [
  'Aborted',
  'AccessDenied',
  'EndpointUnreachable',
  'NoCredentials',
  'NoRegion',
  'NoSuchBucket',
  'SlowDown',
  'Timeout',
] as const satisfies ErrorCode[];

/** Failures after which the object may be there all the same: an answer was lost, or somebody else wrote it. */
const TO_EXAMINE = ['PreconditionFailed', 'Conflict', 'NoSuchUpload', 'OutputMissing'] as const;

/**
 * Writes sources of a rollup to S3 as the objects that they were, several at once. S3 checks each against its CRC-32, and an
 * object appears whole or not at all. One that is there already is never replaced unless that is asked for: with the same bytes
 * it counts as restored, so that a restore that was stopped is continued by the next.
 *
 * @returns what was done; what concerns one object alone is in it, and does not end the others
 * @throws RollupError `InvalidArgument` if objects would lie among the outputs, `NoManifest` if nothing is committed, and what
 *   every object would fail with
 */
export async function restore(request: RestoreRequest, given: RestoreContext): Promise<Restored> {
  const { destination, to } = request;
  if (to.bucket === destination.bucket && to.prefix.startsWith(destination.prefix)) {
    const message = `${formatLocation(to)} is in the rollup ${formatLocation(destination)}: restored objects would lie among its outputs. Give another prefix.`;
    throw new RollupError('InvalidArgument', message);
  }
  return withCommitted(given.store.until(given.signal), destination, undefined, (rollup) => {
    if (rollup === undefined) throw nothingUnder(destination);
    // Where the reading begins again, because another run has committed, what is restored counts as present. What was in
    // flight then was stopped: each reading has a signal of its own.
    const stop = new AbortController();
    const signal = AbortSignal.any([stop.signal, given.signal]);
    const stores = { store: given.store.until(signal), target: given.target.until(signal) };
    return restoreFrom(rollup, request, { ...given, ...stores, signal, stop });
  });
}

async function restoreFrom(
  rollup: Rollup,
  request: RestoreRequest,
  context: RestoreContext & { stop: AbortController },
): Promise<Restored> {
  const { store, settings, signal, stop, progress } = context;
  const wanted = new WantedSources(rollup, request.wanted);
  const done: RestoreProgress = { objects: 0, bytes: 0, totalObjects: 0, totalBytes: 0 };
  for await (const { source } of wanted.find()) {
    done.totalObjects++;
    done.totalBytes += sizeOf(source);
  }
  progress({ ...done });

  const result: Restored = { objects: 0, bytes: 0, present: 0, refused: [], failed: [], missing: [] };
  const finish = ({ source }: WantedSource, outcome: Outcome): void => {
    const { key } = source;
    if (outcome === 'written') {
      result.objects++;
      result.bytes += sizeOf(source);
    } else if (outcome === 'present') result.present++;
    else if ('why' in outcome) result.refused.push({ key, why: outcome.why });
    else result.failed.push({ key, ...describe(outcome.error) });
    done.objects++;
    done.bytes += sizeOf(source);
    progress({ ...done });
  };

  const reader = new OutputReader(store, request.destination, rollup);
  const writer = new ObjectWriter(request, context);
  const failures = new FirstFailure(stop);
  const running = new Set<Promise<unknown>>();
  const begin = (one: WantedSource, existing: ObjectHead | undefined): Promise<unknown> => {
    const read = Promise.withResolvers<undefined>();
    const bytes = untilRead(reader.bytesOf(one.source), () => {
      read.resolve(undefined);
    });
    const work = outcomeOf(() => writer.write(one, existing, bytes)).then((outcome) => {
      finish(one, outcome);
    });
    const ended = failures
      .watch(work)
      .catch(() => undefined)
      .finally(() => running.delete(ended));
    running.add(ended);
    return reader.isInTurn(one.source) ? Promise.race([read.promise, ended]) : Promise.resolve();
  };

  try {
    // What is there is looked at ahead: an output that is decoded does not wait for each answer.
    const examined = inOrder(wanted.find(), settings.concurrency, stop, async (one) => {
      return { one, found: await outcomeOf(() => writer.examine(one)) };
    });
    for await (const { one, found } of examined) {
      if (found === 'present' || !('existing' in found)) {
        finish(one, found);
        continue;
      }
      while (running.size >= settings.concurrency) await Promise.race(running);
      failures.throwIfFailed();
      signal.throwIfAborted();
      await begin(one, found.existing);
    }
  } finally {
    await Promise.all(running);
    await reader.close();
    failures.throwIfAny();
  }
  failures.throwIfFailed();
  return { ...result, missing: [...wanted.missing] };
}

/** What became of an object. */
type Outcome = 'written' | 'present' | { why: string } | { error: RollupError };

const DIFFERS = { why: 'an object with other bytes has its key' };

/** The outcome of work for one object, whose failure is one. Throws what every other object would fail with too. */
async function outcomeOf<T>(work: () => Promise<T>): Promise<T | { error: RollupError }> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof RollupError) || hasCode(error, ...OF_ALL)) throw error;
    return { error };
  }
}

function describe({ code, message }: RollupError): { code: ErrorCode; message: string } {
  return { code, message };
}

/** Writes single objects. */
class ObjectWriter {
  readonly #request: RestoreRequest;
  readonly #context: RestoreContext;
  readonly #small: BufferPool;
  readonly #large: BufferPool;
  readonly #largeAtOnce = pLimit(LARGE_AT_ONCE);

  constructor(request: RestoreRequest, context: RestoreContext) {
    const partSize = partOf(context.settings);
    this.#request = request;
    this.#context = context;
    this.#small = new BufferPool(partSize - 1);
    this.#large = new BufferPool(PARTS_IN_FLIGHT * partSize - 1);
  }

  /**
   * Looks at what is there under the key of a source. `existing` is what its bytes have to be compared with, undefined where
   * there is nothing. One that has the ETag of the source is the source.
   */
  async examine({
    source,
    name,
  }: WantedSource): Promise<'present' | { why: string } | { existing: ObjectHead | undefined }> {
    const { destination, to, overwrite } = this.#request;
    const key = to.prefix + name;
    const why = refusal(name, key);
    if (why !== undefined) return { why };
    if (to.bucket === destination.bucket && key.startsWith(destination.prefix))
      return { why: 'it would lie among the outputs of the rollup' };
    const existing = await this.#context.target.head({ bucket: to.bucket, key });
    if (existing === undefined) return { existing };
    if (existing.etag === source.etag && existing.size === source.size) return 'present';
    return existing.size === sizeOf(source) || overwrite ? { existing } : DIFFERS;
  }

  /** Writes an object, or compares its bytes with those of the one that is there. */
  async write(
    { source, name }: WantedSource,
    existing: ObjectHead | undefined,
    bytes: AsyncIterable<Buffer>,
  ): Promise<Outcome> {
    const { to, overwrite } = this.#request;
    const at = { bucket: to.bucket, key: to.prefix + name };
    const whole = new CountedBytes(source, bytes);
    if (existing !== undefined && !overwrite) {
      await whole.readAll();
      return (await this.#holds(at, existing, whole)) ? 'present' : DIFFERS;
    }
    try {
      const { etag } = await this.#upload(at, sizeOf(source), whole);
      // Without a condition of its own, an upload keeps an object that has the same bytes.
      return etag === existing?.etag ? 'present' : 'written';
    } catch (error) {
      if (!whole.ended || !hasCode(error, ...TO_EXAMINE)) throw error;
      const now = await this.#context.target.head(at);
      if (now === undefined) throw error;
      return (await this.#holds(at, now, whole)) ? 'written' : DIFFERS;
    }
  }

  async #holds(at: ObjectAt, existing: ObjectHead, whole: CountedBytes): Promise<boolean> {
    const { target, signal } = this.#context;
    if (existing.size !== whole.size) return false;
    const from = { ...at, etag: existing.etag };
    const stored = await checksumOfObject(target, from, existing, 'crc32', signal);
    return isSame(stored, asCrc32(whole.crc32));
  }

  async #upload(at: ObjectAt, size: number, whole: CountedBytes): Promise<{ etag: string }> {
    const { target, settings, signal } = this.#context;
    const options: Pick<StreamOptions, 'metadata' | 'condition'> = {
      metadata: {},
      ...(this.#request.overwrite ? {} : { condition: 'absent' }),
    };
    const send = (part: number, memory: Buffer): Promise<{ etag: string }> =>
      target.uploadStream(at, whole.chunks(), { ...options, partSize: part, memory }, signal);
    const partSize = partOf(settings);
    if (size <= partSize) {
      const one = Math.max(1, size);
      return this.#small.use(one, (memory) => send(one, memory.subarray(0, one)));
    }
    const { part } = streamedCopySizes(size, { targetSize: partSize, partSize });
    const memory = Math.max(part, PARTS_IN_FLIGHT * partSize);
    return this.#largeAtOnce(() =>
      this.#large.use(memory, (buffer) => send(part, buffer.subarray(0, memory))),
    );
  }
}

/** Bytes of a part. */
function partOf({ partSize }: Pick<Settings, 'partSize'>): number {
  return Math.min(partSize, LARGEST_PART);
}

/** Bytes of a source. A source may have been decoded, and a header may have been left out of its output. */
function sizeOf({ length, header = 0 }: CommittedSource): number {
  return header + length;
}

/** The reason why no object is written under a key; undefined if there is none. */
function refusal(name: string, key: string): string | undefined {
  // S3 takes keys as they are. Other stores, and programs that copy objects to files, resolve these.
  const dots = name.split('/').find((segment) => segment === '.' || segment === '..');
  if (dots !== undefined) return `it has a "${dots}" segment`;
  if (Buffer.byteLength(key) > LONGEST_KEY)
    return `it would have more than the ${LONGEST_KEY} bytes of a key`;
  return undefined;
}

/** The bytes of a source with their number and CRC-32, which are those of the whole once `ended` is true. */
class CountedBytes {
  readonly #source: CommittedSource;
  readonly #bytes: AsyncIterable<Buffer>;
  size = 0;
  crc32 = 0;
  ended = false;

  constructor(source: CommittedSource, bytes: AsyncIterable<Buffer>) {
    this.#source = source;
    this.#bytes = bytes;
  }

  /** Throws `OutputDamaged` at the end if there were fewer bytes than were committed: then nothing is uploaded. */
  async *chunks(): AsyncGenerator<Buffer> {
    for await (const chunk of this.#bytes) {
      this.size += chunk.length;
      this.crc32 = crc32(chunk, this.crc32);
      yield chunk;
    }
    const { output, key } = this.#source;
    if (this.size !== sizeOf(this.#source)) {
      const message = `${output} holds ${this.size} bytes of ${key}, and ${sizeOf(this.#source)} were committed. Run verify --deep to see what is damaged.`;
      throw new RollupError('OutputDamaged', message, { key });
    }
    this.ended = true;
  }

  /** Reads them for their CRC-32 alone. */
  async readAll(): Promise<void> {
    const chunks = this.chunks();
    while ((await chunks.next()).done !== true);
  }
}

/** The same bytes; `onEnd` is called when they have ended, or when nobody reads on. */
async function* untilRead(bytes: AsyncIterable<Buffer>, onEnd: () => void): AsyncGenerator<Buffer> {
  try {
    yield* bytes;
  } finally {
    onEnd();
  }
}

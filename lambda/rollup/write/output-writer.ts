import { keysOf } from '../codec/sidecar.ts';
import pLimit, { type LimitFunction } from 'p-limit';
import { originOf } from '../model/endpoints.ts';
import { aborted, inOrder } from '../../concurrency.ts';
import { formatCrc32 } from '../model/manifest.ts';
import type { Piece, PlannedOutput } from '../model/output.ts';
import { type WrittenOutput, isFromRaw } from '../model/output.ts';
import { BufferPool } from './buffer-pool.ts';
import { type WriteContext, type WriteResources } from './context.ts';
import { DownloadQueue } from './download-queue.ts';
import { findExisting, storedCrc32 } from './existing-output.ts';
import { crc32ByHead, joinedCrc32 } from './prove.ts';
import { closeLines, formatAdded, offsetsOf, largestSize, partCrcsOf } from './source-offsets.ts';
import { streamCopy } from './streamed-copy.ts';
import { writeEncoded } from './write-encoded.ts';
import { writtenOutput } from './written-output.ts';

/**
 * Brings outputs about: finds what is there already, and writes the others. DownloadQueue run in any order under one limit,
 * each to its place in a buffer; then the buffer is uploaded.
 */
export class OutputWriter {
  readonly #context: WriteContext;
  readonly #outputs: LimitFunction;
  readonly #downloads: DownloadQueue;
  readonly #buffers: BufferPool;
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  /** Keys that were written so far: those of outputs, and of what goes with them. */
  readonly keys: string[] = [];

  constructor(context: WriteContext) {
    const { outputsInFlight, concurrency, targetSize } = context.settings;
    this.#context = context;
    this.#outputs = pLimit(outputsInFlight);
    this.#downloads = new DownloadQueue(concurrency, this.#stop);
    this.#buffers = new BufferPool(targetSize);
    this.#signal = AbortSignal.any([this.#stop.signal, context.signal]);
  }

  /** The most bytes that were held at one time. */
  get peakInFlightBytes(): number {
    return this.#buffers.peakBytes;
  }

  /**
   * Yields every output in the order in which it was planned; undefined for one that there was no time to begin or to
   * finish. Once there is no time, no more are taken from the plan. On the first failure everything in flight is aborted
   * and waited for; then it is thrown.
   */
  async *write(planned: AsyncIterable<PlannedOutput>): AsyncGenerator<WrittenOutput | undefined> {
    const { hasTime, settings } = this.#context;
    const ahead = 2 * settings.outputsInFlight;
    let isLate = false;
    async function* whileThereIsTime(): AsyncGenerator<PlannedOutput> {
      for await (const output of planned) {
        isLate ||= !hasTime();
        if (isLate) return;
        yield output;
      }
    }
    yield* inOrder(whileThereIsTime(), ahead, this.#stop, (output) => this.#obtain(output));
    if (isLate as boolean) yield undefined;
  }

  async #obtain(output: PlannedOutput): Promise<WrittenOutput | undefined> {
    const { hasTime, signal } = this.#context;
    try {
      return await this.#findOrWrite(output);
    } catch (error) {
      // Stopped because time is up is as good as not begun.
      if (signal.aborted && !hasTime()) return undefined;
      throw error;
    }
  }

  async #findOrWrite(output: PlannedOutput): Promise<WrittenOutput | undefined> {
    const { report, hasTime, isTrusted } = this.#context;
    const found = await findExisting(output, this.#context);
    const isTaken = found !== undefined && isTrusted?.(output) === true;
    const isJoined = found === undefined || isTaken ? undefined : await this.#isJoined(output, found);
    if (found !== undefined && (isTaken || isJoined === true)) {
      report({ type: 'read', objects: output.pieces.length, bytes: output.size });
      const reused = { ...found, proven: !isTaken && isFromRaw(output) };
      report({ type: 'output', ...describe(reused) });
      return reused;
    }
    return this.#outputs(async () => {
      if (!hasTime()) return undefined;
      if (this.#signal.aborted) throw aborted();
      report({ type: 'begun', key: output.key, bytes: output.size });
      const assembled = await this.#write(output, isJoined === undefined ? found : undefined);
      if (assembled.how !== 'reused') this.keys.push(...keysOf(output, this.#context.destination));
      report({ type: 'output', ...describe(assembled) });
      return assembled;
    });
  }

  /** Whether an output that stands there has the CRC-32 of its sources; undefined where S3 does not tell that of all. */
  async #isJoined(
    output: PlannedOutput,
    { output: found, sources }: WrittenOutput,
  ): Promise<boolean | undefined> {
    if (output.mode === 'encode') return undefined;
    const crcs: number[] = [];
    let isTold = true;
    const context = this.#context;
    const signal = this.#signal;
    function* asking(first: number, end: number): Generator<() => Promise<void>> {
      for (let i = first; i < end && isTold && context.hasTime(); i++) {
        const piece = output.pieces[i] as Piece;
        yield async () => {
          signal.throwIfAborted();
          const crc = await crc32ByHead(originOf(piece, context), piece.source.size);
          if (crc === undefined) isTold = false;
          else crcs[i] = crc;
        };
      }
    }
    // Where S3 does not tell it of the first, it mostly tells it of none.
    await this.#downloads.all(asking(0, 1));
    await this.#downloads.all(asking(1, output.pieces.length));
    if (Object.keys(crcs).length < output.pieces.length) return undefined;
    const joined = joinedCrc32(sources, crcs, found.size);
    return joined !== undefined && formatCrc32(joined) === found.crc32;
  }

  /** `standing`: an output that is there and is taken if it proves to be the same. */
  async #write(output: PlannedOutput, standing: WrittenOutput | undefined): Promise<WrittenOutput> {
    const { store, destination, report, settings } = this.#context;
    const { partSize } = settings;
    const at = { bucket: destination.bucket, key: output.key };
    if (output.mode === 'copy') {
      const [piece] = output.pieces as [Piece];
      const origin = originOf(piece, this.#context);
      if (standing !== undefined && (await this.#isCopy(origin, standing))) {
        report({ type: 'read', objects: 1, bytes: output.size });
        return { ...standing, proven: isFromRaw(output) };
      }
      const written = store.canCopyFrom(origin.store)
        ? await store.copy(origin.from, output.size, at, this.#signal)
        : await streamCopy(output, this.#context, this.#means);
      report({ type: 'read', objects: 1, bytes: output.size });
      return writtenOutput(output, 'copied', output.size, written, []);
    }
    if (output.mode === 'encode') {
      return writeEncoded(output, this.#context, this.#means, standing);
    }
    return this.#buffers.use(largestSize(output), async (buffer) => {
      const crcs = await this.#fill(buffer, output);
      const { length, crc32, added } = closeLines(buffer, output, crcs);
      if (standing?.output.size === length && standing.output.crc32 === formatCrc32(crc32)) {
        const written = { etag: standing.output.etag, crc32 };
        return { ...writtenOutput(output, 'reused', length, written, added), proven: isFromRaw(output) };
      }
      const partCrcs = partCrcsOf(buffer, length, offsetsOf(output, added), crcs, partSize);
      const body = buffer.subarray(0, length);
      const content = { body, crc32, partSize, partCrcs, metadata: formatAdded(added) };
      const written = await store.upload(at, content, this.#signal);
      return writtenOutput(output, 'written', length, written, added);
    });
  }

  /** Reads the source: S3 tells no CRC-32 of it. */
  async #isCopy({ store, from }: ReturnType<typeof originOf>, { output }: WrittenOutput): Promise<boolean> {
    const crc = await this.#downloads.one(() => storedCrc32(store, from, {}, this.#signal));
    return formatCrc32(crc) === output.crc32;
  }

  get #means(): WriteResources {
    return { buffers: this.#buffers, downloads: this.#downloads, signal: this.#signal };
  }

  /** DownloadQueue every source to its place; the CRC-32 of each. */
  async #fill(buffer: Buffer, output: PlannedOutput): Promise<number[]> {
    const crcs = new Array<number>(output.pieces.length).fill(0);
    await this.#downloads.all(this.#landings(buffer, output, crcs));
    return crcs;
  }

  *#landings(buffer: Buffer, output: PlannedOutput, crcs: number[]): Generator<() => Promise<void>> {
    const { report } = this.#context;
    let offset = 0;
    for (const [i, piece] of output.pieces.entries()) {
      const place = buffer.subarray(offset, (offset += piece.source.size));
      yield async () => {
        this.#signal.throwIfAborted();
        const { store, from } = originOf(piece, this.#context);
        const { crc32 } = await store.read(from, place, this.#signal);
        crcs[i] = crc32;
        report({ type: 'read', objects: 1, bytes: place.length });
      };
    }
  }
}

function describe({ how, output }: WrittenOutput) {
  return { key: output.key, how, bytes: output.size, sources: output.sources };
}

import pLimit, { type LimitFunction } from 'p-limit';
import { originOf } from '../model/endpoints.ts';
import { aborted, inOrder } from '../model/in-order.ts';
import { formatCrc32 } from '../model/manifest.ts';
import type { Piece, PlannedOutput } from '../model/output.ts';
import { type Assembled, isFromRaw } from '../model/output.ts';
import { Slabs } from './buffer-pool.ts';
import { type AssembleContext, type Means } from './context.ts';
import { Downloads } from './download-queue.ts';
import { findFinished, storedCrc32 } from './existing-output.ts';
import { crc32ByHead, joinedCrc32 } from './prove.ts';
import { closeLines, formatAdded, framesOf, largestSize, partCrcsOf } from './source-offsets.ts';
import { relay } from './streamed-copy.ts';
import { writeEncoded } from './write-encoded.ts';
import { finished } from './written-output.ts';

/**
 * Brings outputs about: finds what is there already, and writes the others. Downloads run in any order under one limit,
 * each to its place in a slab; then the slab is uploaded.
 */
export class Assembler {
  readonly #context: AssembleContext;
  readonly #outputs: LimitFunction;
  readonly #downloads: Downloads;
  readonly #slabs: Slabs;
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;

  constructor(context: AssembleContext) {
    const { outputsInFlight, concurrency, targetSize } = context.settings;
    this.#context = context;
    this.#outputs = pLimit(outputsInFlight);
    this.#downloads = new Downloads(concurrency, this.#stop);
    this.#slabs = new Slabs(targetSize);
    this.#signal = AbortSignal.any([this.#stop.signal, context.signal]);
  }

  /** The most bytes that were held at one time. */
  get peakInFlightBytes(): number {
    return this.#slabs.peakBytes;
  }

  /**
   * Yields every output in the order in which it was planned; undefined for one that there was no time to begin or to
   * finish. On the first failure everything in flight is aborted and waited for; then it is thrown.
   */
  assemble(planned: AsyncIterable<PlannedOutput>): AsyncGenerator<Assembled | undefined> {
    const ahead = 2 * this.#context.settings.outputsInFlight;
    return inOrder(planned, ahead, this.#stop, (output) => this.#obtain(output));
  }

  async #obtain(output: PlannedOutput): Promise<Assembled | undefined> {
    const { hasTime, signal } = this.#context;
    try {
      return await this.#findOrWrite(output);
    } catch (error) {
      // Stopped because time is up is as good as not begun.
      if (signal.aborted && !hasTime()) return undefined;
      throw error;
    }
  }

  async #findOrWrite(output: PlannedOutput): Promise<Assembled | undefined> {
    const { report, hasTime, isTrusted } = this.#context;
    const found = await findFinished(output, this.#context);
    const isTaken = found !== undefined && isTrusted?.(output) === true;
    const isJoined = found === undefined || isTaken ? undefined : await this.#isJoined(output, found);
    if (found !== undefined && (isTaken || isJoined === true)) {
      report({ type: 'landed', objects: output.pieces.length, bytes: output.size });
      const reused = { ...found, proven: !isTaken && isFromRaw(output) };
      report({ type: 'output', ...describe(reused) });
      return reused;
    }
    return this.#outputs(async () => {
      if (!hasTime()) return undefined;
      if (this.#signal.aborted) throw aborted();
      report({ type: 'begun', key: output.key, bytes: output.size });
      const assembled = await this.#write(output, isJoined === undefined ? found : undefined);
      report({ type: 'output', ...describe(assembled) });
      return assembled;
    });
  }

  /** Whether an output that stands there has the CRC-32 of its sources; undefined where S3 does not tell that of all. */
  async #isJoined(
    output: PlannedOutput,
    { output: found, sources }: Assembled,
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
  async #write(output: PlannedOutput, standing: Assembled | undefined): Promise<Assembled> {
    const { store, destination, report, settings } = this.#context;
    const { partSize } = settings;
    const at = { bucket: destination.bucket, key: output.key };
    if (output.mode === 'copy') {
      const [piece] = output.pieces as [Piece];
      const origin = originOf(piece, this.#context);
      if (standing !== undefined && (await this.#isCopy(origin, standing))) {
        report({ type: 'landed', objects: 1, bytes: output.size });
        return { ...standing, proven: isFromRaw(output) };
      }
      const written = store.canCopyFrom(origin.store)
        ? await store.copy(origin.from, output.size, at, this.#signal)
        : await relay(output, this.#context, this.#means);
      report({ type: 'landed', objects: 1, bytes: output.size });
      return finished(output, 'copied', output.size, written, []);
    }
    if (output.mode === 'encode') {
      return writeEncoded(output, this.#context, this.#means, standing);
    }
    return this.#slabs.use(largestSize(output), async (slab) => {
      const crcs = await this.#fill(slab, output);
      const { length, crc32, added } = closeLines(slab, output, crcs);
      if (standing?.output.size === length && standing.output.crc32 === formatCrc32(crc32)) {
        const written = { etag: standing.output.etag, crc32 };
        return { ...finished(output, 'reused', length, written, added), proven: isFromRaw(output) };
      }
      const partCrcs = partCrcsOf(slab, length, framesOf(output, added), crcs, partSize);
      const body = slab.subarray(0, length);
      const content = { body, crc32, partSize, partCrcs, metadata: formatAdded(added) };
      const written = await store.upload(at, content, this.#signal);
      return finished(output, 'written', length, written, added);
    });
  }

  /** Reads the source: S3 tells no CRC-32 of it. */
  async #isCopy({ store, from }: ReturnType<typeof originOf>, { output }: Assembled): Promise<boolean> {
    const crc = await this.#downloads.one(() => storedCrc32(store, from, {}, this.#signal));
    return formatCrc32(crc) === output.crc32;
  }

  get #means(): Means {
    return { slabs: this.#slabs, downloads: this.#downloads, signal: this.#signal };
  }

  /** Downloads every source to its place; the CRC-32 of each. */
  async #fill(slab: Buffer, output: PlannedOutput): Promise<number[]> {
    const crcs = new Array<number>(output.pieces.length).fill(0);
    await this.#downloads.all(this.#landings(slab, output, crcs));
    return crcs;
  }

  *#landings(slab: Buffer, output: PlannedOutput, crcs: number[]): Generator<() => Promise<void>> {
    const { report } = this.#context;
    let offset = 0;
    for (const [i, piece] of output.pieces.entries()) {
      const place = slab.subarray(offset, (offset += piece.source.size));
      yield async () => {
        this.#signal.throwIfAborted();
        const { store, from } = originOf(piece, this.#context);
        const { crc32 } = await store.read(from, place, this.#signal);
        crcs[i] = crc32;
        report({ type: 'landed', objects: 1, bytes: place.length });
      };
    }
  }
}

function describe({ how, output }: Assembled) {
  return { key: output.key, how, bytes: output.size, sources: output.sources };
}

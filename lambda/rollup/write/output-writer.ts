import pLimit, { type LimitFunction } from 'p-limit';
import { keysOf } from '../codec/sidecar.ts';
import { aborted, inOrder } from '../../concurrency.ts';
import { hasCode } from '../../errors.ts';
import type { Report } from '../model/events.ts';
import { type PlannedOutput, type WrittenOutput, isFromRaw } from '../model/output.ts';
import type { RunWarning } from '../model/run.ts';
import { assemble } from './assemble.ts';
import { BufferPool } from './buffer-pool.ts';
import { compareChecksums } from './compare-checksums.ts';
import { type WriteContext, type WriteResources } from './context.ts';
import { copySource } from './copy-source.ts';
import { DownloadQueue } from './download-queue.ts';
import { findExisting } from './existing-output.ts';
import { writeEncoded } from './write-encoded.ts';

/**
 * Provides planned outputs in the destination: reuses those that exist already and are proven, and writes the others.
 * Downloads run in any order under one limit over all outputs; each output is written in a buffer of its own.
 */
export class OutputWriter {
  readonly #context: WriteContext;
  readonly #outputs: LimitFunction;
  readonly #buffers: BufferPool;
  readonly #stop = new AbortController();
  readonly #resources: WriteResources;
  /** The keys that were written so far: those of outputs, and of their sidecars. */
  readonly keys: string[] = [];

  /** What was noticed, and mended. */
  readonly warnings: RunWarning[] = [];

  constructor(context: WriteContext) {
    const { outputsInFlight, concurrency, targetSize } = context.settings;
    const report: Report = (event) => {
      if (event.type === 'damaged')
        this.warnings.push({ code: 'ArrivedDamaged', message: event.message, key: event.key });
      context.report(event);
    };
    this.#context = { ...context, report };
    this.#outputs = pLimit(outputsInFlight);
    this.#buffers = new BufferPool(targetSize);
    this.#resources = {
      buffers: this.#buffers,
      downloads: new DownloadQueue(concurrency, this.#stop),
      signal: AbortSignal.any([this.#stop.signal, context.signal]),
    };
  }

  /** The most bytes of outputs that were held in buffers at one time. */
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
    yield* inOrder(whileThereIsTime(), ahead, this.#stop, (output) => this.#reuseOrWrite(output));
    if (isLate as boolean) yield undefined;
  }

  async #reuseOrWrite(output: PlannedOutput): Promise<WrittenOutput | undefined> {
    const { hasTime, isTrusted, signal } = this.#context;
    try {
      const existing = await findExisting(output, this.#context);
      if (existing === undefined) return await this.#write(output, undefined);
      if (isTrusted?.(output) === true) return this.#reuse(output, existing);

      switch (await compareChecksums(output, existing, this.#context, this.#resources)) {
        case 'same':
          return this.#reuse(output, { ...existing, proven: isFromRaw(output) });
        case 'different':
          return await this.#write(output, undefined);
        case 'unknown':
          return await this.#write(output, existing);
      }
    } catch (error) {
      // An output that was stopped because time is up counts as not begun.
      if (signal.aborted && !hasTime()) return undefined;
      throw error;
    }
  }

  /** Takes the existing output as it is, without reading a source. */
  #reuse(output: PlannedOutput, existing: WrittenOutput): WrittenOutput {
    const { report } = this.#context;
    report({ type: 'read', objects: output.pieces.length, bytes: output.size });
    report({ type: 'output', ...summaryOf(existing) });
    return existing;
  }

  /** Writes the output; anew, where its upload came to nothing that another upload may not come to. */
  async #writeAnew(output: PlannedOutput, unproven: WrittenOutput | undefined): Promise<WrittenOutput> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await WRITE[output.mode](output, this.#context, this.#resources, unproven);
      } catch (error) {
        if (attempt === WRITES || this.#resources.signal.aborted || !hasCode(error, ...BEGIN_ANEW))
          throw error;
        if ((await this.#context.isLost?.(error)) === true) throw error;
      }
    }
  }

  /**
   * Writes the output once one of the outputs in flight has ended; undefined if there is no time then.
   *
   * @param unproven an existing output that stays if the bytes of the sources, which are read, prove to be the same
   */
  #write(output: PlannedOutput, unproven: WrittenOutput | undefined): Promise<WrittenOutput | undefined> {
    const { report, hasTime, destination } = this.#context;
    return this.#outputs(async () => {
      if (!hasTime()) return undefined;
      if (this.#resources.signal.aborted) throw aborted();
      report({ type: 'begun', key: output.key, bytes: output.size });
      const written = await this.#writeAnew(output, unproven);
      if (written.how !== 'reused') this.keys.push(...keysOf(output, destination));
      report({ type: 'output', ...summaryOf(written) });
      return written;
    });
  }
}

/**
 * Failures of an upload that ends with it: S3 asks for a new one (`Conflict`), a store that was restarted has forgotten it, or
 * has not kept what it confirmed. The output is written anew, from its sources.
 */
const BEGIN_ANEW = ['Conflict', 'NoSuchUpload', 'OutputMissing'] as const;
/** Times that an output is written, the first included. */
const WRITES = 3;

const WRITE = { assemble, copy: copySource, encode: writeEncoded };

function summaryOf({ how, output }: WrittenOutput) {
  return { key: output.key, how, bytes: output.size, sources: output.sources };
}

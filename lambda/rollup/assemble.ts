import pLimit, { type LimitFunction } from 'p-limit';
import type { Settings } from '../settings.ts';
import { Downloads } from './downloads.ts';
import type { OutputFate, Report } from './events.ts';
import { closeLines, formatAdded, framesOf, largestSize, partCrcsOf } from './frames.ts';
import { aborted, inOrder } from './in-order.ts';
import type { Location } from './location.ts';
import { type CommittedOutput, type CommittedSource, formatCrc32 } from './manifest.ts';
import type { Piece, PlannedOutput } from './pack.ts';
import { relay } from './relay.ts';
import { findFinished } from './reuse.ts';
import { type Sides, originOf } from './sides.ts';
import { Slabs } from './slabs.ts';
import type { ListedObject, Written } from './store.ts';
import { type Means, writeEncoded } from './write-encoded.ts';

/** An output that is in the destination, with what the manifest and `_sources` will say of it. */
export interface Assembled {
  output: CommittedOutput;
  sources: CommittedSource[];
  how: OutputFate;
}

export interface AssembleContext extends Sides {
  source: Location;
  destination: Location;
  /** What was in the destination before, by key; undefined where it was not listed. */
  present: ReadonlyMap<string, ListedObject> | undefined;
  settings: Settings;
  report: Report;
  /** False once no further output should be begun. */
  hasTime: () => boolean;
  /** Ends everything in flight. */
  signal: AbortSignal;
}

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
    const { report, hasTime } = this.#context;
    const found = await findFinished(output, this.#context);
    if (found !== undefined) {
      report({ type: 'landed', objects: output.pieces.length, bytes: output.size });
      report({ type: 'output', ...describe(found) });
      return found;
    }
    return this.#outputs(async () => {
      if (!hasTime()) return undefined;
      if (this.#signal.aborted) throw aborted();
      report({ type: 'begun', key: output.key, bytes: output.size });
      try {
        const assembled = await this.#write(output);
        report({ type: 'output', ...describe(assembled) });
        return assembled;
      } catch (error) {
        // Stopped because time is up is as good as not begun.
        if (this.#context.signal.aborted && !hasTime()) return undefined;
        throw error;
      }
    });
  }

  async #write(output: PlannedOutput): Promise<Assembled> {
    const { store, destination, report, settings } = this.#context;
    const { partSize } = settings;
    const at = { bucket: destination.bucket, key: output.key };
    if (output.mode === 'copy') {
      const [piece] = output.pieces as [Piece];
      const origin = originOf(piece, this.#context);
      const written = store.canCopyFrom(origin.store)
        ? await store.copy(origin.from, output.size, at, this.#signal)
        : await relay(output, this.#context, this.#means);
      report({ type: 'landed', objects: 1, bytes: output.size });
      return finished(output, 'copied', output.size, written, []);
    }
    if (output.mode === 'encode') {
      return writeEncoded(output, this.#context, this.#means);
    }
    return this.#slabs.use(largestSize(output), async (slab) => {
      const crcs = await this.#fill(slab, output);
      const { length, crc32, added } = closeLines(slab, output, crcs);
      const partCrcs = partCrcsOf(slab, length, framesOf(output, added), crcs, partSize);
      const body = slab.subarray(0, length);
      const content = { body, crc32, partSize, partCrcs, metadata: formatAdded(added) };
      const written = await store.upload(at, content, this.#signal);
      return finished(output, 'written', length, written, added);
    });
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

/** An output as it will be committed. */
export function finished(
  output: PlannedOutput,
  how: OutputFate,
  size: number,
  { etag, crc32 }: Written,
  added: boolean[],
): Assembled {
  const { key, pieces } = output;
  return {
    how,
    output: { key, size, etag, crc32: formatCrc32(crc32), sources: pieces.length },
    sources: framesOf(output, added),
  };
}

function describe({ how, output }: Assembled) {
  return { key: output.key, how, bytes: output.size, sources: output.sources };
}

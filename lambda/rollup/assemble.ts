import pLimit from 'p-limit';
import { RollupError, hasCode } from '../errors.ts';
import type { Settings } from '../settings.ts';
import type { OutputFate, Report } from './events.ts';
import { closeLines, framesOf, largestSize } from './frames.ts';
import type { Location } from './location.ts';
import { type CommittedOutput, type CommittedSource, formatCrc32 } from './manifest.ts';
import type { Piece, PlannedOutput } from './pack.ts';
import { Slabs } from './slabs.ts';
import type { ReadFrom, Store, Written } from './store.ts';

/** An output that is in the destination, with what the manifest and `_sources` will say of it. */
export interface Assembled {
  output: CommittedOutput;
  sources: CommittedSource[];
  how: OutputFate;
}

export interface AssembleContext {
  store: Store;
  source: Location;
  destination: Location;
  settings: Settings;
  report: Report;
  /** False once no further output should be begun. */
  hasTime: () => boolean;
  /** Ends everything in flight. */
  signal: AbortSignal;
}

export interface AssembleResult {
  /** By index; undefined for an output that there was no time to begin, or to finish. */
  assembled: (Assembled | undefined)[];
  peakInFlightBytes: number;
}

/**
 * Writes outputs: downloads in any order under one limit, each to its place in a slab, then uploads the slab.
 * On the first failure everything in flight is aborted and waited for; then it is thrown.
 */
export async function assemble(outputs: PlannedOutput[], context: AssembleContext): Promise<AssembleResult> {
  const { settings, store, destination, report, hasTime } = context;
  const begun = pLimit(settings.outputsInFlight);
  const downloads = pLimit(settings.concurrency);
  const inSlab = outputs.filter(({ mode }) => mode === 'assemble').map(largestSize);
  const slabs = new Slabs(inSlab.reduce((most, size) => Math.max(most, size), 0));
  const stop = new AbortController();
  const signal = AbortSignal.any([stop.signal, context.signal]);

  async function write(output: PlannedOutput): Promise<Assembled> {
    const at = { bucket: destination.bucket, key: output.key };
    if (output.mode === 'copy') {
      const [piece] = output.pieces as [Piece];
      const written = await store.copy(originOf(piece, context), output.size, at, signal);
      report({ type: 'landed', objects: 1, bytes: output.size });
      return finished(output, 'copied', output.size, written, []);
    }
    return slabs.use(largestSize(output), async (slab) => {
      const crcs = await fill(output, slab);
      const { length, crc32, added } = closeLines(slab, output, crcs);
      const written = await store.upload(at, slab.subarray(0, length), crc32, signal);
      return finished(output, 'written', length, written, added);
    });
  }

  async function fill(output: PlannedOutput, slab: Buffer): Promise<number[]> {
    let offset = 0;
    const landings = output.pieces.map((piece) => {
      const place = slab.subarray(offset, (offset += piece.source.size));
      return downloads(async () => {
        signal.throwIfAborted();
        const crc = await store.read(originOf(piece, context), place, signal);
        report({ type: 'landed', objects: 1, bytes: place.length });
        return crc;
      });
    });
    return allOrFirstFailure(landings, stop);
  }

  const tasks = outputs.map((output) =>
    begun(async () => {
      if (!hasTime()) return undefined;
      if (signal.aborted) throw aborted();
      report({ type: 'begun', key: output.key, bytes: output.size });
      try {
        const assembled = await write(output);
        report({ type: 'output', ...describe(assembled) });
        return assembled;
      } catch (error) {
        // Stopped because time is up is as good as not begun.
        if (context.signal.aborted && !hasTime()) return undefined;
        throw error;
      }
    }),
  );
  const assembled = await allOrFirstFailure(tasks, stop);
  return { assembled, peakInFlightBytes: slabs.peakBytes };
}

/** Waits for every task. Where one fails, the others are told to stop, and what failed first is thrown. */
export async function allOrFirstFailure<T>(tasks: Promise<T>[], stop: AbortController): Promise<T[]> {
  let first: { error: unknown } | undefined;
  const settled = await Promise.allSettled(
    tasks.map((task) =>
      task.catch((error: unknown) => {
        // What failed because it was told to stop is not the reason.
        if (first === undefined && !(stop.signal.aborted && isAbort(error))) first = { error };
        stop.abort(aborted());
        throw error;
      }),
    ),
  );
  if (first !== undefined) throw first.error;
  return settled.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
}

function isAbort(error: unknown): boolean {
  return hasCode(error, 'Aborted') || (error instanceof Error && error.name === 'AbortError');
}

function aborted(): RollupError {
  return new RollupError('Aborted', 'The run was stopped.');
}

function originOf(piece: Piece, { source, destination }: AssembleContext): ReadFrom {
  const { key, etag, size } = piece.source;
  if (piece.from === undefined) return { bucket: source.bucket, key, etag };
  const range = { offset: piece.from.offset, length: size };
  return { bucket: destination.bucket, key: piece.from.key, etag: piece.from.etag, range };
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

export function describe({ how, output }: Assembled) {
  return { key: output.key, how, bytes: output.size, sources: output.sources };
}

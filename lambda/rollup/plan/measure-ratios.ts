import { hasCode } from '../../errors.ts';
import { decode } from '../codec/decode.ts';
import { encode } from '../codec/encode.ts';
import type { Encoding } from '../model/encoding.ts';
import { sourceForm } from '../codec/source-format.ts';
import { allOrFirstFailure } from '../../concurrency.ts';
import type { Piece } from '../model/output.ts';
import type { ReadResult } from '../model/store.ts';
import { type Locations, rangesOf } from '../write/ranges.ts';
import type { Weights } from './weights.ts';

/** Sources of a form that are looked into, and bytes of each; text of each that is enough. */
const SAMPLES = 8;
const SAMPLE = 256 * 1024;
const TEXT = 2 * 1024 * 1024;
/** What is handed to a decoder at a time. */
const SLICE = 16 * 1024;

interface MeasureContext extends Locations {
  signal: AbortSignal;
}

/**
 * Finds out, by a few of the sources that are to be packed, what a byte of each form comes to in an output. The same
 * sources give the same ratios, so a run that is repeated has the same outputs.
 */
export async function measureRatios(
  weights: Weights,
  pieces: Piece[],
  by: 'some' | 'first',
  context: MeasureContext,
): Promise<void> {
  const { encoding } = weights;
  if (encoding === undefined) return;
  for (const [form, candidates] of weights.unmeasured(pieces)) {
    const samples = await readSamples(by === 'some' ? spread(candidates) : candidates.slice(0, 1), context);
    const ratio = await ratioOf(samples, encoding);
    if (ratio !== undefined) weights.measured(form, ratio);
  }
}

interface Sample extends ReadResult {
  piece: Piece;
  bytes: Buffer;
}

function readSamples(pieces: Piece[], context: MeasureContext): Promise<Sample[]> {
  const stop = new AbortController();
  const signal = AbortSignal.any([stop.signal, context.signal]);
  const reading = pieces.map(async (piece): Promise<Sample> => {
    const [first] = rangesOf(piece, context, SAMPLE);
    const bytes = Buffer.allocUnsafe(first?.length ?? 0);
    if (first === undefined) return { piece, bytes, crc32: 0, contentEncoding: undefined };
    return { piece, bytes, ...(await first.store.read(first.from, bytes, signal)) };
  });
  return allOrFirstFailure(reading, stop);
}

/** Encoded together, as sources are in an output. Undefined where none of them could be decoded. */
async function ratioOf(samples: Sample[], encoding: Encoding): Promise<number | undefined> {
  let stored = 0;
  async function* text(): AsyncGenerator<Buffer> {
    for (const { piece, bytes, contentEncoding } of samples) {
      async function* slices(): AsyncGenerator<Buffer> {
        for (let at = 0; at < bytes.length; at += SLICE) {
          const slice = bytes.subarray(at, at + SLICE);
          stored += slice.length;
          yield await Promise.resolve(slice);
        }
      }
      let length = 0;
      try {
        const form = sourceForm(piece, { bytes, contentEncoding });
        for await (const chunk of decode(form, slices(), piece.source.key)) {
          yield chunk;
          length += chunk.length;
          if (length >= TEXT) break;
        }
      } catch (error) {
        // The sample ends before the source does. One that is corrupt is named by the run, when it comes to it.
        if (!hasCode(error, 'SourceCorrupt', 'SourceNotDecodable')) throw error;
      }
    }
  }
  let encoded = 0;
  for await (const chunk of encode(encoding, text())) encoded += chunk.length;
  return stored === 0 || encoded === 0 ? undefined : encoded / stored;
}

/** A few of many, spread over them. */
function spread(pieces: Piece[]): Piece[] {
  if (pieces.length <= SAMPLES) return pieces;
  return Array.from(
    { length: SAMPLES },
    (_, i) => pieces[Math.floor(((i + 0.5) * pieces.length) / SAMPLES)] as Piece,
  );
}

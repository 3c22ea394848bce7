import { allOrFirstFailure } from '../../concurrency.ts';
import { hasCode } from '../../errors.ts';
import type { Settings } from '../../settings/table.ts';
import { KiB, MiB } from '../../size.ts';
import { decode } from '../codec/decode.ts';
import { encode } from '../codec/encode.ts';
import { sourceForm } from '../codec/source-format.ts';
import type { Encoding, Form } from '../model/encoding.ts';
import type { Piece } from '../model/output.ts';
import type { ReadResult } from '../model/store.ts';
import { type Locations, rangesOf } from '../write/ranges.ts';
import type { Weights } from './weights.ts';

/** Sources of each form that are read. */
const SAMPLES = 8;
/** Bytes that are read of each, at most. */
const SAMPLE_SIZE = 256 * KiB;
/** Decoded bytes of each that are enough. */
const TEXT_SIZE = 2 * MiB;
/** Bytes that are given to a decoder at a time. */
const SLICE = 16 * KiB;

interface MeasureContext extends Locations {
  settings: Pick<Settings, 'codec' | 'newline' | 'sourceFormat'>;
  signal: AbortSignal;
}

/**
 * Measures the bytes of output that a byte of each form becomes, by reading the beginnings of a few of the pieces that are
 * to be packed. The same pieces give the same ratios, so that a run
 * that is repeated has the same outputs.
 *
 * @param weights takes the ratios
 * @param byForm pieces by their form; those of `Weights.unmeasured`
 * @param by `some`: up to eight pieces of a form, spread evenly; `first`: the first one alone
 */
export async function measureRatios(
  weights: Weights,
  byForm: ReadonlyMap<Form, Piece[]>,
  by: 'some' | 'first',
  context: MeasureContext,
): Promise<void> {
  const { encoding } = weights;
  if (encoding === undefined) return;
  for (const [form, candidates] of byForm) {
    const samples = await readSamples(by === 'some' ? spread(candidates) : candidates.slice(0, 1), context);
    const ratio = await ratioOf(samples, encoding, context.settings);
    if (ratio !== undefined) weights.measured(form, ratio);
  }
}

interface Sample extends Pick<ReadResult, 'contentEncoding'> {
  piece: Piece;
  bytes: Buffer;
}

function readSamples(pieces: Piece[], context: MeasureContext): Promise<Sample[]> {
  const stop = new AbortController();
  const signal = AbortSignal.any([stop.signal, context.signal]);
  const reading = pieces.map(async (piece): Promise<Sample> => {
    const ranges = rangesOf(piece, context, SAMPLE_SIZE);
    // A header that was left out of the source has a range of its own, and says little about the rest.
    const first = (piece.from?.header === undefined ? undefined : ranges[1]) ?? ranges[0];
    const bytes = Buffer.allocUnsafe(first?.length ?? 0);
    if (first === undefined) return { piece, bytes, contentEncoding: undefined };
    const { contentEncoding } = await first.store.read(first.from, bytes, signal);
    return { piece, bytes, contentEncoding };
  });
  return allOrFirstFailure(reading, stop);
}

/**
 * Encoded bytes per stored byte of some samples, which are encoded together as they are in an output; undefined if none
 * could be decoded.
 */
async function ratioOf(
  samples: Sample[],
  encoding: Encoding,
  settings: MeasureContext['settings'],
): Promise<number | undefined> {
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
        const form = sourceForm(piece, { bytes, contentEncoding }, settings);
        for await (const chunk of decode(form, slices(), piece.source.key)) {
          yield chunk;
          length += chunk.length;
          if (length >= TEXT_SIZE) break;
        }
      } catch (error) {
        // Most samples end before their source does, which a decoder takes for corruption. A source that is corrupt is
        // named when its output is written.
        if (!hasCode(error, 'SourceCorrupt', 'SourceNotDecodable', 'FormatMistaken')) throw error;
      }
    }
  }
  let encoded = 0;
  for await (const chunk of encode(encoding, text())) encoded += chunk.length;
  return stored === 0 || encoded === 0 ? undefined : encoded / stored;
}

/** Up to `SAMPLES` pieces, spread evenly over all. */
function spread(pieces: Piece[]): Piece[] {
  if (pieces.length <= SAMPLES) return pieces;
  return Array.from(
    { length: SAMPLES },
    (_, i) => pieces[Math.floor(((i + 0.5) * pieces.length) / SAMPLES)] as Piece,
  );
}

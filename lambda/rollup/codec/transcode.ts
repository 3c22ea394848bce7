import { crc32 } from '../model/crc32.ts';
import type { Report } from '../model/events.ts';
import { type Piece, type PlannedOutput, isEncoded } from '../model/output.ts';
import type { ReadResult } from '../model/store.ts';
import { type Locations, type SourceRange, rangesOf } from '../write/ranges.ts';
import { type Arrived, readAhead } from '../write/read-ahead.ts';
import { CommittedTexts } from './committed-text.ts';
import { decode } from './decode.ts';
import { encode } from './encode.ts';
import type { SourceEncoding } from '../model/encoding.ts';
import type { OutputText } from './sidecar.ts';
import { sourceForm } from './source-format.ts';

const NEWLINE = 0x0a;
const NEWLINE_BYTES = Buffer.from([NEWLINE]);
/** The most that is downloaded at once into so much memory: larger sources come in ranges. */
export function largestDownload(memory: number): number {
  return Math.floor(memory / 4);
}

export interface TranscodeContext extends Locations {
  /** To download into. */
  memory: Buffer;
  read: (reading: SourceRange, into: Buffer, signal: AbortSignal) => Promise<ReadResult>;
  report: Report;
  signal: AbortSignal;
}

/**
 * The bytes of an output whose sources are decoded, and what they were decoded to. Sources are downloaded ahead, as far
 * as the memory goes, and decoded in their order.
 */
export class Transcoding {
  readonly text: OutputText = { sources: [], size: 0, crc32: 0 };
  readonly #output: PlannedOutput;
  readonly #context: TranscodeContext;

  constructor(output: PlannedOutput, context: TranscodeContext) {
    this.#output = output;
    this.#context = context;
  }

  /** Throws `SourceCorrupt`, and what a download throws. */
  bytes(): AsyncGenerator<Buffer> {
    const { encoding = { codec: 'none', level: 0 } } = this.#output;
    return encode(encoding, this.chunks());
  }

  /** The same, as text. */
  async *chunks(): AsyncGenerator<Buffer> {
    const { memory, report, signal } = this.#context;
    const stop = new AbortController();
    const until = AbortSignal.any([stop.signal, signal]);
    const read = (reading: SourceRange, into: Buffer): Promise<ReadResult> =>
      this.#context.read(reading, into, until);
    const { pieces, ensureNewline } = this.#output;
    const most = largestDownload(memory.length);
    const readings = pieces.map((piece) =>
      isEncoded(piece.from) ? [] : rangesOf(piece, this.#context, most),
    );
    const arriving = readAhead(readings.flat(), memory, read);
    const committed = new CommittedTexts(this.#context, read);
    try {
      for (const [i, piece] of pieces.entries()) {
        const told: { encoding?: SourceEncoding | undefined } = {};
        let length = 0;
        let last: number | undefined;
        const text = isEncoded(piece.from)
          ? committed.read(piece)
          : textOf(piece, take(arriving, readings[i]?.length ?? 0), told);
        for await (const chunk of text) {
          length += chunk.length;
          last = chunk.at(-1) ?? last;
          yield this.#count(chunk);
        }
        const added = ensureNewline && length > 0 && last !== NEWLINE;
        if (added) yield this.#count(NEWLINE_BYTES);
        const encoding = piece.from?.encoding ?? told.encoding;
        this.text.sources.push({ length, added, encoding });
        report({ type: 'read', objects: 1, bytes: piece.source.size });
      }
    } finally {
      stop.abort();
      await arriving.return(undefined);
      await committed.close();
    }
  }

  #count(chunk: Buffer): Buffer {
    this.text.size += chunk.length;
    this.text.crc32 = crc32(chunk, this.text.crc32);
    return chunk;
  }
}

/** The text of a source, from its downloads; tells what it was decoded from. */
async function* textOf(
  piece: Piece,
  arriving: AsyncGenerator<Arrived>,
  told: { encoding?: SourceEncoding | undefined },
): AsyncGenerator<Buffer> {
  const first = await arriving.next();
  if (first.done === true) return;
  const form = sourceForm(piece, first.value);
  if (form !== 'plain') told.encoding = form;
  async function* chunks(): AsyncGenerator<Buffer> {
    yield (first.value as Arrived).bytes;
    for await (const { bytes } of arriving) yield bytes;
  }
  yield* decode(form, chunks(), piece.source.key);
}

async function* take(arriving: AsyncGenerator<Arrived>, count: number): AsyncGenerator<Arrived> {
  for (let left = count; left > 0; left--) {
    const next = await arriving.next();
    if (next.done === true) return;
    yield next.value;
  }
}

import type { Settings } from '../../settings/table.ts';
import { crc32 } from '../model/checksum/crc32.ts';
import { beginsAsUtf16 } from '../model/format.ts';
import type { SourceEncoding } from '../model/encoding.ts';
import type { Report } from '../model/events.ts';
import { NEWLINE, NEWLINE_BYTES } from '../model/newline.ts';
import { type Piece, type PlannedOutput, isEncoded } from '../model/output.ts';
import type { ReadResult } from '../model/store.ts';
import { type Locations, type SourceRange, rangesOf } from '../write/ranges.ts';
import { type DownloadedRange, readAhead } from '../write/read-ahead.ts';
import { CommittedTexts } from './committed-text.ts';
import { decode } from './decode.ts';
import { encode } from './encode.ts';
import { Charsets } from './charsets.ts';
import { HeaderLines } from './header-lines.ts';
import type { OutputText } from './sidecar.ts';
import { isUnseen, sourceForm } from './source-format.ts';

/** The most bytes that are downloaded at once into a memory of this size: larger sources come in ranges. */
export function largestDownload(memorySize: number): number {
  return Math.floor(memorySize / 4);
}

export interface TranscodeContext extends Locations {
  /** The memory that sources are downloaded into. */
  memory: Buffer;
  read: (range: SourceRange, into: Buffer, signal: AbortSignal) => Promise<ReadResult>;
  settings: Pick<Settings, 'codec' | 'newline' | 'sourceFormat'>;
  report: Report;
  signal: AbortSignal;
}

/**
 * Decodes the sources of an output and encodes their text anew. Sources are downloaded ahead, as far as the memory goes,
 * and decoded in their order. `bytes` or `chunks` may be read once.
 */
export class Transcoding {
  /** The text of the sources; complete once the bytes have been read to their end. */
  readonly text: OutputText = { sources: [], size: 0, crc32: 0 };
  readonly #output: PlannedOutput;
  readonly #context: TranscodeContext;

  constructor(output: PlannedOutput, context: TranscodeContext) {
    this.#output = output;
    this.#context = context;
  }

  /** The output's bytes. Throws `SourceCorrupt`, `SourceNotDecodable`, and what a download throws. */
  bytes(): AsyncGenerator<Buffer> {
    const { encoding = { codec: 'none', level: 0 } } = this.#output;
    return encode(encoding, this.chunks());
  }

  /** The output's text, before it is encoded. Throws likewise. */
  async *chunks(): AsyncGenerator<Buffer> {
    const { memory, report, settings, signal } = this.#context;
    const { pieces, ensureNewline, headerLines = 0 } = this.#output;
    const stop = new AbortController();
    const stopped = AbortSignal.any([stop.signal, signal]);
    const read = (range: SourceRange, into: Buffer): Promise<ReadResult> =>
      this.#context.read(range, into, stopped);
    const maxLength = largestDownload(memory.length);
    // Sources in encoded outputs are not downloaded by themselves: `committed` reads those outputs.
    const rangesByPiece = pieces.map((piece) =>
      isEncoded(piece.from) ? [] : rangesOf(piece, this.#context, maxLength),
    );
    const downloads = readAhead(rangesByPiece.flat(), memory, read);
    const committed = new CommittedTexts(this.#context, read, pieces);
    const headers = new HeaderLines(headerLines);
    const charsets = new Charsets();
    try {
      for (const [i, piece] of pieces.entries()) {
        const text = isEncoded(piece.from)
          ? { encoding: undefined, chunks: committed.read(piece) }
          : await decodeSource(piece, take(downloads, rangesByPiece[i]?.length ?? 0), settings);
        let length = 0;
        let last: number | undefined;
        let isUtf16 = false;
        // What is committed stays so, whatever an earlier release took for text.
        const { from, source } = piece;
        const isLooked = from === undefined && !isUnseen(settings);
        const checked = isLooked ? charsets.check(text.chunks, source.key) : text.chunks;
        for await (const chunk of headers.leaveOut(checked)) {
          if (length === 0) isUtf16 = beginsAsUtf16(chunk);
          length += chunk.length;
          last = chunk.at(-1) ?? last;
          yield this.#count(chunk);
        }
        // A newline of UTF-16 has two bytes.
        const added = ensureNewline && length > 0 && last !== NEWLINE && !isUtf16;
        if (added) yield this.#count(NEWLINE_BYTES);
        const encoding = piece.from?.encoding ?? text.encoding;
        this.text.sources.push({ length, added, encoding, header: headers.leftOut });
        report({ type: 'read', objects: 1, bytes: piece.source.size });
      }
    } finally {
      stop.abort();
      await downloads.return(undefined);
      await committed.close();
    }
  }

  #count(chunk: Buffer): Buffer {
    this.text.size += chunk.length;
    this.text.crc32 = crc32(chunk, this.text.crc32);
    return chunk;
  }
}

/** The text of a source, from its downloads in their order, and the form that it is decoded from. */
async function decodeSource(
  piece: Piece,
  downloads: AsyncGenerator<DownloadedRange>,
  settings: TranscodeContext['settings'],
): Promise<{ encoding: SourceEncoding | undefined; chunks: AsyncIterable<Buffer> }> {
  const first = await downloads.next();
  if (first.done === true) return { encoding: undefined, chunks: emptyText() };
  const { value } = first;
  const form = sourceForm(piece, value, settings);
  async function* stored(): AsyncGenerator<Buffer> {
    yield value.bytes;
    for await (const { bytes } of downloads) yield bytes;
  }
  const chunks = decode(form, stored(), piece.source.key);
  return { encoding: form === 'plain' ? undefined : form, chunks };
}

async function* emptyText(): AsyncGenerator<never> {
  // A source that was decoded to nothing has no ranges to download.
}

/** The next so many items of a generator, which stays open. */
async function* take<T>(items: AsyncGenerator<T>, count: number): AsyncGenerator<T> {
  for (let left = count; left > 0; left--) {
    const next = await items.next();
    if (next.done === true) return;
    yield next.value;
  }
}

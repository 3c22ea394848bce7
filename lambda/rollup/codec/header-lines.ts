import { beginsAsUtf16 } from '../model/format.ts';
import { MOST_HEADER } from '../model/manifest.ts';
import { NEWLINE } from '../model/newline.ts';

/**
 * Leaves the header lines of an output's sources out of their texts, but for those of its first source, which are the
 * header of the output. A later source's first lines are left out where they are the same bytes, and stay where they
 * differ. A first source with too few lines, or with more than `MOST_HEADER` bytes of them, or in UTF-16, has no header: then
 * all stay.
 */
export class HeaderLines {
  readonly #lines: number;
  #first: FirstLines | undefined;
  /** Bytes that were left out of the last source, once its text was read to its end; undefined if none were. */
  leftOut: number | undefined;

  /** @param lines the number of header lines of each source; 0 for none */
  constructor(lines: number) {
    this.#lines = lines;
  }

  /** The text of the next source without the header that it shares with the first one. */
  leaveOut(text: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
    this.leftOut = undefined;
    if (this.#lines === 0) return text;
    if (this.#first === undefined) return this.#readFirst(text);
    const { header } = this.#first;
    return header.length === 0 ? text : this.#withoutHeader(text, header);
  }

  /** The text of the first source, as it is. A source without a byte does not count as the first. */
  async *#readFirst(text: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of text) {
      // A newline byte may be a part of a character there.
      if (chunk.length > 0) this.#first ??= new FirstLines(beginsAsUtf16(chunk) ? 0 : this.#lines);
      this.#first?.take(chunk);
      yield chunk;
    }
  }

  async *#withoutHeader(text: AsyncIterable<Buffer>, header: Buffer): AsyncGenerator<Buffer> {
    // Bytes of the text that are the header's so far. They are held back until it is known that the header is whole.
    let same = 0;
    let differs = false;
    for await (const chunk of text) {
      const compared = differs ? 0 : Math.min(header.length - same, chunk.length);
      if (chunk.subarray(0, compared).equals(header.subarray(same, same + compared))) {
        same += compared;
        if (compared < chunk.length) yield chunk.subarray(compared);
      } else {
        differs = true;
        if (same > 0) yield header.subarray(0, same);
        yield chunk;
      }
    }
    if (differs || same === 0) return;
    if (same === header.length) this.leftOut = same;
    // The text ended within what it shares with the header.
    else yield header.subarray(0, same);
  }
}

/** Finds the first lines of a text that comes in chunks, and keeps a copy of them. */
class FirstLines {
  readonly #lines: number;
  readonly #chunks: Buffer[] = [];
  #length = 0;
  #found = 0;
  /** The lines with their newlines; empty until they were found, and where they are too few or too long. */
  header: Buffer = Buffer.alloc(0);

  /** @param lines the number of lines; 0 for a text that has no header */
  constructor(lines: number) {
    this.#lines = lines;
  }

  /** Takes the next chunk of the text. */
  take(chunk: Buffer): void {
    if (this.#found === this.#lines || this.#length > MOST_HEADER) return;
    let end = 0;
    for (; end < chunk.length && this.#found < this.#lines; this.#found++) {
      const newline = chunk.indexOf(NEWLINE, end);
      end = newline === -1 ? chunk.length : newline + 1;
      if (newline === -1) break;
    }
    const lines = chunk.subarray(0, end);
    this.#length += lines.length;
    if (this.#length > MOST_HEADER) this.#chunks.length = 0;
    // The chunk's memory may be used again for the next one.
    else this.#chunks.push(Buffer.from(lines));
    if (this.#found === this.#lines) this.header = Buffer.concat(this.#chunks);
  }
}

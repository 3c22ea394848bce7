import { crc32 } from '../model/checksum/crc32.ts';

/** Reads a stream of bytes piece by piece, and keeps count of what was read. */
export class ByteReader {
  readonly #head: Buffer;
  readonly #chunks: AsyncIterator<Buffer>;
  #chunk: Buffer = Buffer.alloc(0);
  /** The CRC-32 of all bytes that were read. */
  crc32 = 0;
  /** The number of bytes that were read. */
  position = 0;
  /** The byte that was read last. */
  last: number | undefined;

  /** @param keep bytes at the beginning that are kept, for `head` */
  constructor(stream: AsyncIterable<Buffer>, keep = 0) {
    this.#chunks = stream[Symbol.asyncIterator]();
    this.#head = Buffer.alloc(keep);
  }

  /** The first bytes of the stream: so many, or as many as were read and kept if these are fewer. */
  head(length: number): Buffer {
    return this.#head.subarray(0, Math.min(length, this.position));
  }

  /**
   * Reads at least one byte and at most `maxLength`, out of one chunk of the stream; none once the stream is over. They are
   * valid until more is asked for.
   */
  async read(maxLength: number): Promise<Buffer> {
    if (await this.isOver()) return this.#chunk;
    const piece = this.#chunk.subarray(0, maxLength);
    this.#chunk = this.#chunk.subarray(piece.length);
    if (this.position < this.#head.length) piece.copy(this.#head, this.position);
    this.crc32 = crc32(piece, this.crc32);
    this.position += piece.length;
    this.last = piece.at(-1);
    return piece;
  }

  /** Reads so many bytes and drops them; false if the stream ends before. */
  async skip(length: number): Promise<boolean> {
    const end = this.position + length;
    const skipped = this.take(length);
    while ((await skipped.next()).done !== true);
    return this.position === end;
  }

  /** Yields so many bytes; fewer if the stream ends before. */
  async *take(length: number): AsyncGenerator<Buffer> {
    for (let left = length; left > 0;) {
      const piece = await this.read(left);
      if (piece.length === 0) return;
      left -= piece.length;
      yield piece;
    }
  }

  /**
   * True if no byte is left. It takes the end of the stream behind its last byte: a body that is closed before its end
   * closes its connection too.
   */
  async isOver(): Promise<boolean> {
    while (this.#chunk.length === 0) {
      const next = await this.#chunks.next();
      if (next.done === true) return true;
      this.#chunk = next.value;
    }
    return false;
  }

  async close(): Promise<void> {
    await this.#chunks.return?.();
  }
}

/** Bytes in memory as a stream of one chunk. */
export async function* asStream(bytes: Buffer): AsyncGenerator<Buffer> {
  yield await Promise.resolve(bytes);
}

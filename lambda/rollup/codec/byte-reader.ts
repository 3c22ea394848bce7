import { crc32 } from '../model/crc32.ts';

/** A stream of bytes, read in pieces no larger than what has come. */
export class ByteReader {
  readonly #chunks: AsyncIterator<Buffer>;
  #chunk: Buffer = Buffer.alloc(0);
  /** Of all that was read. */
  crc32 = 0;
  position = 0;
  /** The byte that was read last. */
  last: number | undefined;

  constructor(stream: AsyncIterable<Buffer>) {
    this.#chunks = stream[Symbol.asyncIterator]();
  }

  /** At least one byte and at most `most`; none where the stream is over. */
  async read(most: number): Promise<Buffer> {
    if (await this.isOver()) return this.#chunk;
    const piece = this.#chunk.subarray(0, most);
    this.#chunk = this.#chunk.subarray(piece.length);
    this.crc32 = crc32(piece, this.crc32);
    this.position += piece.length;
    this.last = piece.at(-1);
    return piece;
  }

  /** False where the stream ends before. */
  async skip(length: number): Promise<boolean> {
    const end = this.position + length;
    const skipped = this.take(length);
    while ((await skipped.next()).done !== true);
    return this.position === end;
  }

  /** So many bytes; fewer where the stream ends before. */
  async *take(length: number): AsyncGenerator<Buffer> {
    for (let left = length; left > 0;) {
      const piece = await this.read(left);
      if (piece.length === 0) return;
      left -= piece.length;
      yield piece;
    }
  }

  /** Takes the stream's end, behind its last byte: a body that is left before it takes its connection along. */
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

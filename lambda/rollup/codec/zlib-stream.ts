import type { Transform } from 'node:stream';
import type { Gunzip, Gzip, ZstdCompress, ZstdDecompress } from 'node:zlib';
import { release } from '../../chunk.ts';

/** Bytes that come out of a zlib stream at a time. Each chunk takes a trip to a thread and back. */
export const CHUNK = 128 * 1024;

/**
 * A stream of node:zlib, whose work is done on a thread, driven by hand. Unlike with pipes, the bytes that lie behind the
 * end of the format are not taken, and no more comes out than is asked for. A chunk that comes out is valid until the next
 * one is asked for, and one that is written is done with then.
 */
export class ZlibStream {
  readonly #zlib: Gunzip | Gzip | ZstdCompress | ZstdDecompress;
  #error: Error | undefined;
  #wake = (): void => undefined;

  constructor(zlib: Gunzip | Gzip | ZstdCompress | ZstdDecompress) {
    this.#zlib = zlib;
    zlib.on('readable', () => {
      this.#wake();
    });
    zlib.once('end', () => {
      this.#wake();
    });
    zlib.on('error', (error: Error) => {
      this.#error ??= error;
      this.#wake();
    });
  }

  /** True once the format came to its end: nothing more is taken. */
  get ended(): boolean {
    return (this.#zlib as Transform).readableEnded;
  }

  /** Yields the output for a chunk, and returns how many bytes of the chunk were taken: all, unless the format ended in it. */
  async *write(chunk: Buffer): AsyncGenerator<Buffer, number> {
    const before = this.#zlib.bytesWritten;
    let taken = false;
    this.#zlib.write(chunk, () => {
      taken = true;
      this.#wake();
    });
    yield* this.#read(() => taken);
    return this.#zlib.bytesWritten - before;
  }

  /** Yields the rest of the output. Throws the error of node:zlib if the format is not at its end. */
  async *end(): AsyncGenerator<Buffer> {
    this.#zlib.end();
    yield* this.#read(() => false);
  }

  async *#read(isDone: () => boolean): AsyncGenerator<Buffer> {
    for (;;) {
      if (this.#error !== undefined) throw this.#error;
      const out = this.#zlib.read() as Buffer | null;
      if (out !== null) {
        yield out;
        this.#done(out);
      } else if (isDone() || this.ended) return;
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }

  /** Frees the memory of a chunk. node:zlib puts chunks into one until it is full: it goes with the chunk that fills it. */
  #done(chunk: Buffer): void {
    const { buffer, byteOffset, byteLength } = chunk;
    const size = buffer.byteLength;
    release(chunk);
    // Node's pool of small buffers is shared with others.
    if (byteLength === size || size <= Buffer.poolSize) return;
    if (byteOffset + byteLength === size) release(Buffer.from(buffer));
  }

  /**
   * Ends the work. The memory that is not full is left to the garbage collector: where it was freed here, Node 24 ended the
   * process in the next decoders of zstd, by an assertion about their memory.
   */
  close(): void {
    this.#zlib.destroy();
  }
}

import type { Transform } from 'node:stream';
import type { Gunzip, Gzip, ZstdCompress, ZstdDecompress } from 'node:zlib';

/** Bytes that come out of a zlib stream at a time. Each chunk takes a trip to a thread and back. */
export const CHUNK = 128 * 1024;

/**
 * A stream of node:zlib, whose work is done on a thread, driven by hand. Unlike with pipes, the bytes that lie behind the
 * end of the format are not taken, and no more comes out than is asked for.
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
      if (out !== null) yield out;
      else if (isDone() || this.ended) return;
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }

  close(): void {
    this.#zlib.destroy();
  }
}

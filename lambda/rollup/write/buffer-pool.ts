import { MiB } from '../../size.ts';

/** Buffers are multiples of this, so that an output which is a little larger than the one before fits the same buffer. */
const STEP = 4 * MiB;

/**
 * The memory that outputs are assembled in: as many buffers as outputs are in flight, each used again for the next
 * output. A buffer of `allocUnsafeSlow` costs no memory until it is written to.
 */
export class BufferPool {
  readonly #usualSize: number;
  readonly #free: Buffer[] = [];
  #bytes = 0;
  /** The most bytes of outputs that were in buffers at one time. */
  peakBytes = 0;

  /** @param usualSize bytes that most outputs need, or a little less */
  constructor(usualSize: number) {
    this.#usualSize = usualSize;
  }

  /** Lends a buffer for an output of at most `size` bytes, for as long as `use` takes. */
  async use<T>(size: number, use: (buffer: Buffer) => Promise<T>): Promise<T> {
    const free = this.#free.pop();
    const capacity = (Math.floor(Math.max(size, this.#usualSize) / STEP) + 1) * STEP;
    const buffer = free !== undefined && free.length >= size ? free : Buffer.allocUnsafeSlow(capacity);
    this.#bytes += size;
    this.peakBytes = Math.max(this.peakBytes, this.#bytes);
    try {
      return await use(buffer);
    } finally {
      this.#bytes -= size;
      this.#free.push(buffer);
    }
  }
}

/** A set of numbers from 0 on, a bit each; it grows with the largest. */
export class Bits {
  #bytes = new Uint8Array(1024);

  add(n: number): void {
    const at = n >> 3;
    if (at >= this.#bytes.length) {
      const grown = new Uint8Array(Math.max(at + 1, 2 * this.#bytes.length));
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    this.#bytes[at] = (this.#bytes[at] ?? 0) | (1 << (n & 7));
  }

  has(n: number): boolean {
    return ((this.#bytes[n >> 3] ?? 0) & (1 << (n & 7))) !== 0;
  }
}

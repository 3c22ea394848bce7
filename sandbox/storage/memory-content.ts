import type { Content, ContentStore, Spool } from './content.ts';

const BLOCK = 1024 * 1024;

/** Collects a body in blocks of at most 1 MiB, so that small chunks of a socket are not kept alive. */
class MemorySpool implements Spool {
  readonly #blocks: Buffer[] = [];
  #block = Buffer.alloc(0);
  #used = 0;
  #expected: number;

  constructor(length: number) {
    this.#expected = length;
  }

  write(chunk: Buffer): void {
    for (let from = 0; from < chunk.length;) {
      if (this.#used === this.#block.length) this.#open();
      const copied = chunk.copy(this.#block, this.#used, from);
      this.#used += copied;
      from += copied;
    }
  }

  #open(): void {
    const size = Math.min(BLOCK, this.#expected > 0 ? this.#expected : BLOCK);
    this.#block = Buffer.allocUnsafeSlow(size);
    this.#expected -= size;
    this.#used = 0;
    this.#blocks.push(this.#block);
  }

  finish(): Promise<Content> {
    const last = this.#blocks.pop();
    if (last) this.#blocks.push(last.subarray(0, this.#used));
    return Promise.resolve(this.#blocks.map((bytes) => ({ bytes })));
  }

  discard(): void {
    this.#blocks.length = 0;
  }
}

function* blocks(content: Content): Iterable<Buffer> {
  for (const segment of content) {
    if (!('bytes' in segment)) throw new Error(`no file ${segment.file} in memory`);
    yield segment.bytes;
  }
}

/** Keeps bodies in memory. Holders are not counted: the garbage collector frees bodies. */
export const memoryContent: ContentStore = {
  spool: (length) => new MemorySpool(length),
  keep: (bytes) => [{ bytes }],
  retain: () => undefined,
  release: () => undefined,
  discard: () => undefined,
  read: blocks,
  readNow: blocks,
};

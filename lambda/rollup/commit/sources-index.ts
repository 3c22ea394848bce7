import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { buffer } from 'node:stream/consumers';
import { createGzip } from 'node:zlib';
import type { CommittedSource } from '../model/manifest.ts';

/** Writes the index of sources as outputs are writtenOutput, so that what it says is held compressed. */
export class SourcesIndex {
  readonly #hash = createHash('sha256');
  readonly #gzip = createGzip();
  readonly #body = buffer(this.#gzip);
  /** Of what was added. */
  count = 0;
  bytes = 0;

  /** By output and offset. */
  async add(sources: Iterable<CommittedSource>): Promise<void> {
    let lines = '';
    for (const { key, etag, size, lastModified, output, offset, length, encoding } of sources) {
      // What is undefined is left out.
      lines += `${JSON.stringify({ key, etag, size, lastModified, output, offset, length, encoding })}\n`;
      this.count++;
      this.bytes += size;
    }
    this.#hash.update(lines);
    if (!this.#gzip.write(lines)) await once(this.#gzip, 'drain');
  }

  /** The index as it is stored; its name is a digest of what it says. */
  async end(): Promise<{ name: string; body: Buffer }> {
    this.#gzip.end();
    const digest = this.#hash.digest('hex').slice(0, 12);
    return { name: `_sources-${digest}.jsonl.gz`, body: await this.#body };
  }
}

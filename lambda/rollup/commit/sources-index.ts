import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { buffer } from 'node:stream/consumers';
import { createGzip } from 'node:zlib';
import type { CommittedSource } from '../model/manifest.ts';

/** Builds the index of sources while outputs are written. It is held compressed. */
export class SourcesIndex {
  readonly #hash = createHash('sha256');
  readonly #gzip = createGzip();
  readonly #body = buffer(this.#gzip);
  /** The number of sources that were added. */
  count = 0;
  /** The sum of their sizes. */
  bytes = 0;
  /** True if a header was left out of one of them. */
  hasHeaders = false;

  /** Adds sources, by output and offset. */
  async add(sources: Iterable<CommittedSource>): Promise<void> {
    let lines = '';
    for (const { key, etag, size, lastModified, output, offset, length, encoding, header } of sources) {
      // JSON leaves out what is undefined.
      lines += `${JSON.stringify({ key, etag, size, lastModified, output, offset, length, encoding, header })}\n`;
      this.hasHeaders ||= header !== undefined;
      this.count++;
      this.bytes += size;
    }
    this.#hash.update(lines);
    if (!this.#gzip.write(lines)) await once(this.#gzip, 'drain');
  }

  /** The index as it is stored, and its name, which has a digest of its lines in it. */
  async end(): Promise<{ name: string; body: Buffer }> {
    this.#gzip.end();
    const digest = this.#hash.digest('hex').slice(0, 12);
    return { name: `_sources-${digest}.jsonl.gz`, body: await this.#body };
  }
}

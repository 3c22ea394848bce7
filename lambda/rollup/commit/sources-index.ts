import { createHash } from 'node:crypto';
import { createGzip } from 'node:zlib';
import { MiB } from '../../size.ts';
import { ZlibStream } from '../codec/zlib-stream.ts';
import type { CommittedSource } from '../model/manifest.ts';
import { Spool } from './spool.ts';

/** Its content type. */
export const INDEX_TYPE = 'application/gzip';
/** Bytes of a part of an index that memory does not hold: 10,000 parts are 80 GB. */
export const INDEX_PART = 8 * MiB;
/** Parts of it that are in flight. */
const PARTS = 2;

/** Options for the upload of an index that memory does not hold, with memory for its parts. */
export function indexUpload() {
  const memory = Buffer.allocUnsafeSlow(PARTS * INDEX_PART);
  return { partSize: INDEX_PART, memory, metadata: {}, own: { contentType: INDEX_TYPE } };
}

/** The index of sources as it is to be stored. */
export interface FinishedIndex {
  /** It has a digest of the index's lines in it. */
  name: string;
  size: number;
  crc32: number;
  /** All bytes; undefined where they are more than memory holds: see `Spool`. */
  body: Buffer | undefined;
  /** Yields all bytes, as often as asked for. The memory of a chunk is used again for the next one. */
  chunks: () => AsyncGenerator<Buffer>;
}

/** Builds the index of sources while outputs are written. It is held compressed, a large one in a temporary file. */
export class SourcesIndex {
  readonly #hash = createHash('sha256');
  readonly #gzip = new ZlibStream(createGzip());
  readonly #spool: Spool;
  /** The number of sources that were added. */
  count = 0;
  /** The sum of their sizes. */
  bytes = 0;
  /** True if a header was left out of one of them. */
  hasHeaders = false;

  constructor(spool = new Spool()) {
    this.#spool = spool;
  }

  /** Adds sources, by output and offset. Throws `NoTemporaryFile`. */
  async add(sources: Iterable<CommittedSource>): Promise<void> {
    let lines = '';
    for (const { key, etag, size, lastModified, output, offset, length, encoding, header } of sources) {
      // JSON leaves out what is undefined.
      lines += `${JSON.stringify({ key, etag, size, lastModified, output, offset, length, encoding, header })}\n`;
      this.hasHeaders ||= header !== undefined;
      this.count++;
      this.bytes += size;
    }
    if (lines === '') return;
    this.#hash.update(lines);
    for await (const chunk of this.#gzip.write(Buffer.from(lines))) await this.#spool.add(chunk);
  }

  /** Ends the index. Throws `NoTemporaryFile`. */
  async end(): Promise<FinishedIndex> {
    for await (const chunk of this.#gzip.end()) await this.#spool.add(chunk);
    const spool = this.#spool;
    return {
      name: `_sources-${this.#hash.digest('hex').slice(0, 12)}.jsonl.gz`,
      size: spool.size,
      crc32: spool.crc32,
      body: spool.inMemory(),
      chunks: () => spool.chunks(),
    };
  }

  /** Gives the index up, with its temporary file. */
  async close(): Promise<void> {
    this.#gzip.close();
    await this.#spool.close();
  }
}

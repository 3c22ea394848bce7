import { combineCrc32 } from '../../lambda/rollup/index.ts';
import { randomUUID } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { Content, ContentStore, Spool } from '../../sandbox/storage/content.ts';

/** Bodies of fewer bytes are kept: manifests and indexes, which are read again, and the last parts of outputs. */
const DROPPED_SIZE = 8 * 1024 * 1024;

/**
 * Counts the bytes of outputs, takes their CRC-32 and drops them, so that 16 GB of outputs need no memory. Sizes and
 * checksums of objects stay right; to read an object that was dropped is an error. Objects that were put in directly are kept by reference.
 */
export class DigestedContent implements ContentStore {
  readonly #digests = new Map<string, number>();
  readonly #holders = new Map<string, number>();

  spool(length: number): Spool {
    const kept: Buffer[] = [];
    const file = randomUUID();
    let size = 0;
    let crc = 0;
    return {
      write: (chunk) => {
        if (length < DROPPED_SIZE) kept.push(Buffer.from(chunk));
        size += chunk.length;
        crc = crc32(chunk, crc);
      },
      finish: () => {
        if (length < DROPPED_SIZE) return Promise.resolve([{ bytes: Buffer.concat(kept) }]);
        this.#digests.set(file, crc);
        return Promise.resolve([{ file, start: 0, length: size }]);
      },
      discard: () => undefined,
    };
  }

  keep(bytes: Buffer): Content {
    return [{ bytes }];
  }

  retain(content: Content): void {
    for (const segment of content) {
      if ('file' in segment) this.#holders.set(segment.file, (this.#holders.get(segment.file) ?? 0) + 1);
    }
  }

  release(content: Content): void {
    for (const segment of content) {
      if (!('file' in segment)) continue;
      const left = (this.#holders.get(segment.file) ?? 0) - 1;
      this.#holders.set(segment.file, left);
      if (left > 0) continue;
      this.#holders.delete(segment.file);
      this.#digests.delete(segment.file);
    }
  }

  discard(content: Content): void {
    for (const segment of content) if ('file' in segment) this.#digests.delete(segment.file);
  }

  read(content: Content): Iterable<Buffer> {
    return this.readNow(content);
  }

  *readNow(content: Content): Iterable<Buffer> {
    for (const segment of content) {
      if ('file' in segment) throw new Error('The bytes of this object were digested and dropped.');
      yield segment.bytes;
    }
  }

  /** Length and CRC-32 of some bytes followed by this content. */
  append(before: { bytes: number; crc32: number }, content: Content): { bytes: number; crc32: number } {
    return content.reduce(({ bytes, crc32: crc }, segment) => {
      if ('bytes' in segment) {
        return { bytes: bytes + segment.bytes.length, crc32: crc32(segment.bytes, crc) };
      }
      const digest = this.#digests.get(segment.file) ?? 0;
      return { bytes: bytes + segment.length, crc32: combineCrc32(crc, digest, segment.length) };
    }, before);
  }
}

/** Bytes in memory, or in a file of the sandbox's folder. They never change. */
export type Segment = { bytes: Buffer } | { file: string; start: number; length: number };

/** An object's bytes: its segments in order. Parts are joined and copies made by sharing segments. */
export type Content = Segment[];

/** Receives one body. The content that `finish` returns has to be retained or discarded. */
export interface Spool {
  write(chunk: Buffer): void | Promise<void>;
  finish(): Promise<Content>;
  discard(): void;
}

/** Keeps bytes and counts their holders. Every holder retains content and releases it once, also a read in progress. */
export interface ContentStore {
  spool(length: number): Spool;
  /** Stores a whole body at once. */
  keep(bytes: Buffer): Content;
  retain(content: Content): void;
  release(content: Content): void;
  /** Drops content that nobody has retained. */
  discard(content: Content): void;
  read(content: Content): Iterable<Buffer> | AsyncIterable<Buffer>;
  /** Reads synchronously, for decisions that must not await. */
  readNow(content: Content): Iterable<Buffer>;
}

function segmentLength(segment: Segment): number {
  return 'bytes' in segment ? segment.bytes.length : segment.length;
}

/** The bytes from `start` to `end`, exclusive. */
export function slice(content: Content, start: number, end: number): Content {
  const within: Content = [];
  let offset = 0;
  for (const segment of content) {
    const from = Math.max(start - offset, 0);
    const to = Math.min(end - offset, segmentLength(segment));
    if (from < to) {
      within.push(
        'bytes' in segment
          ? { bytes: segment.bytes.subarray(from, to) }
          : { file: segment.file, start: segment.start + from, length: to - from },
      );
    }
    offset += segmentLength(segment);
  }
  return within;
}

/** A run of bytes kept in memory, or in a file of the sandbox's folder. Neither is ever written to again. */
export type Segment = { bytes: Buffer } | { file: string; start: number; length: number };

/** An object's bytes: its segments in order. Parts are joined and copies made by sharing segments. */
export type Content = Segment[];

/** Takes one body in. What `finish` returned belongs to nobody until it is retained; `discard` drops it. */
export interface Spool {
  write(chunk: Buffer): void | Promise<void>;
  finish(): Promise<Content>;
  discard(): void;
}

/** Where bytes are kept. Whoever holds content retains it, a read in progress too, and releases it once. */
export interface ContentStore {
  spool(length: number): Spool;
  /** A whole body at once. */
  keep(bytes: Buffer): Content;
  retain(content: Content): void;
  release(content: Content): void;
  /** Drops what a spool made and nobody came to hold. */
  discard(content: Content): void;
  read(content: Content): Iterable<Buffer> | AsyncIterable<Buffer>;
  /** The same at once, for what has to be decided without waiting. */
  readNow(content: Content): Iterable<Buffer>;
}

function segmentLength(segment: Segment): number {
  return 'bytes' in segment ? segment.bytes.length : segment.length;
}

/** The bytes from `start` up to `end`, which is not in it. */
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

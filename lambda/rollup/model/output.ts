import { type Encoding, type SourceEncoding } from './encoding.ts';
import { type Kind } from './kind.ts';
import type { HowWritten } from './events.ts';
import type { CommittedOutput } from './manifest.ts';
import { type CommittedSource } from './manifest.ts';
import type { ListedObject } from './store.ts';

/** Where the bytes of a source that has left raw are: in a committed output, `length` from `offset`. */
export interface Origin {
  key: string;
  etag: string;
  offset: number;
  length: number;
  /** The output holds nothing else. */
  whole: boolean;
  /** Of an output whose sources were decoded: `offset` and `length` are of its text, `size` is what is stored of it. */
  coded?: { codec: Encoding['codec']; size: number; textSize: number } | undefined;
  /** What the source was decoded from, if it was. */
  encoding?: SourceEncoding | undefined;
}

/** A source and where to read it: in raw, or in a committed output. */
export interface Piece {
  source: ListedObject;
  from: Origin | undefined;
}

/** Inside a committed output that was encoded whole: it can be had only by decoding that. */
export function isEncoded(from: Origin | undefined): boolean {
  return from?.coded !== undefined && from.coded.codec !== 'none';
}

/** Bytes to be read of it. */
export function lengthOf({ source, from }: Piece): number {
  return from?.length ?? source.size;
}

export interface PlannedOutput {
  key: string;
  index: number;
  kind: Kind;
  /** `copy`: one source of `targetSize` or more that S3 copies itself, as it is. `encode`: sources are decoded. */
  mode: 'assemble' | 'copy' | 'encode';
  /** With `encode`: how the output is written. */
  encoding?: Encoding | undefined;
  /** The sources' bytes, without newlines that are added. */
  size: number;
  /** What the output is likely to come to: `size`, but with `encode`. */
  expectedSize: number;
  /** Whether a source that lacks its last newline is given one. */
  ensureNewline: boolean;
  pieces: Piece[];
}

export interface Skipped {
  empty: number;
  /** Left out by filters, or in no group; what is committed is not counted. */
  filtered: number;
}

/** `…/part-00007-3f2a9c1b7d4e.log` -> 7. */
export function indexOf(outputKey: string): number {
  return Number(/part-(\d+)-[^/]*$/.exec(outputKey)?.[1] ?? -1);
}

/** An output that is in the destination, with what the manifest and `_sources` will say of it. */
export interface WrittenOutput {
  output: CommittedOutput;
  sources: CommittedSource[];
  how: HowWritten;
  /** Seen by this process to hold the bytes that its sources have in raw. */
  proven: boolean;
}

/** Whether all of an output's bytes come from raw: of what comes from a committed output, raw may say something else. */
export function isFromRaw({ pieces }: PlannedOutput): boolean {
  return pieces.every(({ from }) => from === undefined);
}

/** How many of the outputs came to be there in which way. */
export type OutputCounts = Record<HowWritten, number>;

/**
 * Outputs that this process saw to hold the bytes of their sources in raw. It holds for the manifest and the index with
 * these ETags alone: whoever replaced them may have another idea of what is in an output.
 */
export interface Proven {
  manifest: string;
  index: string;
  /** ETag by key. */
  outputs: ReadonlyMap<string, string>;
}

/** What a commit needs to know of its plan besides the new outputs. */
export interface PlanFacts {
  readonly generation: number;
  /** Outputs that stay as they are; known once the first new output is planned. */
  readonly sealed: CommittedOutput[];
  /** Known once the last output is planned. */
  readonly skipped: Skipped;
}

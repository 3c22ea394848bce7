import type { Encoding, SourceEncoding } from './encoding.ts';
import type { HowWritten } from './events.ts';
import type { Kind } from './kind.ts';
import { type CommittedOutput, type CommittedSource, wholeLength } from './manifest.ts';
import type { ListedObject } from './store.ts';

/** The place of a committed source in its output: `length` bytes from `offset`. It is read there if it has left raw. */
export interface Origin {
  /** Key of the output. */
  key: string;
  etag: string;
  offset: number;
  length: number;
  /** True if the source's bytes are the whole output. */
  whole: boolean;
  /**
   * Present if the output's sources were decoded. `offset` and `length` are then in its decoded text, of `textSize` bytes;
   * `size` is that of the object.
   */
  coded?: { codec: Encoding['codec']; size: number; textSize: number } | undefined;
  /** The format that the source was decoded from, if it was. */
  encoding?: SourceEncoding | undefined;
  /** Bytes at the beginning of the output, or of its decoded text, that the source begins with, if its header was left out. */
  header?: number | undefined;
}

/** A source that is planned: read from raw, or `from` a committed output. */
export interface Piece {
  source: ListedObject;
  from: Origin | undefined;
}

/** True if a source is inside a compressed output, so that it can be read only by decoding the output up to it. */
export function isEncoded(from: Origin | undefined): boolean {
  return from?.coded !== undefined && from.coded.codec !== 'none';
}

/** The number of bytes to read for a piece, with a header that was left out of the output that it is read from. */
export function lengthOf({ source, from }: Piece): number {
  return from === undefined ? source.size : wholeLength(from);
}

/** An output that is to be written. */
export interface PlannedOutput {
  key: string;
  index: number;
  kind: Kind;
  /**
   * - `assemble`: sources are downloaded and joined as they are.
   * - `copy`: one source of `targetSize` or more, which S3 copies itself, as it is.
   * - `encode`: sources are decoded and written with `encoding`.
   */
  mode: 'assemble' | 'copy' | 'encode';
  /** With the mode `encode`: the format of the output. */
  encoding?: Encoding | undefined;
  /**
   * Lines at the beginning of each source that are left out where they are those of the first source.
   *
   * @defaultValue 0
   */
  headerLines?: number | undefined;
  /** Bytes of all sources, without newlines that are added. */
  size: number;
  /** Bytes that the output is expected to have: `size`, or with the mode `encode` an estimate. */
  expectedSize: number;
  /** True if a newline is added after a source that lacks its last one. */
  ensureNewline: boolean;
  pieces: Piece[];
}

/** Counts of listed objects that are not rolled up. */
export interface Skipped {
  /** Objects without bytes, directory markers too. */
  empty: number;
  /** Left out by filters, or in no group of `groupBy`; committed sources are not counted. */
  filtered: number;
  /**
   * With a name that begins with an underscore or a dot, which other tools hide; committed sources are not counted.
   *
   * @defaultValue 0
   */
  hidden?: number | undefined;
  /**
   * Written by this program as a destination's manifest, index and the like; committed sources are not counted.
   *
   * @defaultValue 0
   */
  own?: number | undefined;
}

/** The index in the key of an output, `…/part-00007-3f2a9c1b7d4e.log` -> 7; -1 if there is none. */
export function indexOf(outputKey: string): number {
  return Number(/part-(\d+)-[^/]*$/.exec(outputKey)?.[1] ?? -1);
}

/** An output that is complete in the destination, with its entry of the manifest and its lines of the index. */
export interface WrittenOutput {
  output: CommittedOutput;
  sources: CommittedSource[];
  how: HowWritten;
  /** True if this process has seen that the output holds the bytes that its sources have in raw. */
  proven: boolean;
  /** Sources whose header lines differ from those of the output's first source and so stay; with `headerLines` alone. */
  headersKept?: number | undefined;
}

/**
 * True if all sources of an output are read from raw. The bytes of one that is read from a committed output may differ from
 * those in raw.
 */
export function isFromRaw({ pieces }: PlannedOutput): boolean {
  return pieces.every(({ from }) => from === undefined);
}

/** The number of outputs that were written, copied and reused. */
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

/** The facts of a plan that its commit needs, besides the new outputs. */
export interface PlanFacts {
  readonly generation: number;
  /** Outputs that stay as they are; known once the first new output is planned. */
  readonly sealed: CommittedOutput[];
  /** Known once the last output is planned. */
  readonly skipped: Skipped;
}

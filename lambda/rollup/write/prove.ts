import { RollupError, hasCode } from '../../errors.ts';
import { ByteReader } from '../codec/byte-reader.ts';
import { formOfCodec } from '../model/encoding.ts';
import { combineCrc32, crc32 } from '../model/crc32.ts';
import { decode } from '../codec/decode.ts';
import { allOrFirstFailure } from '../../concurrency.ts';
import type { Location } from '../model/location.ts';
import { type CommittedOutput, type CommittedSource, formatCrc32 } from '../model/manifest.ts';
import { type Endpoints, sourceStore } from '../model/endpoints.ts';
import type { ReadFrom, Store } from '../model/store.ts';

/** How often an output is looked at anew because its sources change or leave raw meanwhile. */
const ATTEMPTS = 3;
const NEWLINE = Buffer.from('\n');

/**
 * `holds`: of every source that is in raw as it was rolled up, the output holds the bytes. Otherwise `why`, as the end
 * of a sentence about the output.
 */
export type Proof = { status: 'holds' } | { status: 'differs'; why: string } | { status: 'out of time' };

export interface ProofContext extends Endpoints {
  source: Location;
  destination: Location;
  /** Sources that are asked for at once. */
  concurrency: number;
  hasTime: () => boolean;
  signal: AbortSignal;
}

/**
 * Proves that a committed output, found with its committed size and CRC-32, holds the bytes of its sources that are
 * still in raw. S3 tells the CRC-32 of most by HEAD; the others are read. Where all of them are there as they are in
 * the output, theirs combine to that of the output; otherwise the output is read, once. Sources that have left raw, or
 * were replaced, are passed over. Holds a number a source in memory.
 */
export async function proveOutput(
  output: CommittedOutput,
  /** By offset. */
  sources: readonly CommittedSource[],
  context: ProofContext,
): Promise<Proof> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await proveOnce(output, sources, context);
    } catch (error) {
      // Another run deletes them, or they were overwritten.
      if (attempt < ATTEMPTS && hasCode(error, 'SourceVanished', 'SourceChanged')) continue;
      if (!hasCode(error, 'SourceCorrupt', 'SourceVanished', 'SourceChanged', 'SourceArchived')) throw error;
      return { status: 'differs', why: `cannot be compared with its sources: ${(error as Error).message}` };
    }
  }
}

async function proveOnce(
  output: CommittedOutput,
  sources: readonly CommittedSource[],
  context: ProofContext,
): Promise<Proof> {
  const texts = await textsOf(sources, context);
  if (texts === 'out of time') return { status: texts };
  if (output.codec === undefined && texts.every((text, i) => text?.length === sources[i]?.length)) {
    const crcs = texts.map((text) => text?.crc32 ?? 0);
    const joined = joinedCrc32(sources, crcs, output.size);
    if (joined !== undefined && formatCrc32(joined) === output.crc32) return { status: 'holds' };
  }
  const why = await firstDifference(output, sources, texts, context);
  return why === undefined ? { status: 'holds' } : { status: 'differs', why };
}

/** What a source is in an output: its bytes, or what they were decoded to. */
interface Text {
  length: number;
  crc32: number;
}

/** Of every source; undefined for one that is not in raw as it was rolled up. */
async function textsOf(
  sources: readonly CommittedSource[],
  context: ProofContext,
): Promise<(Text | undefined)[] | 'out of time'> {
  const texts = new Array<Text | undefined>(sources.length).fill(undefined);
  const stop = new AbortController();
  const signal = AbortSignal.any([stop.signal, context.signal]);
  let next = 0;
  let late = false;
  const lane = async (): Promise<void> => {
    for (let i = next++; i < sources.length && !late; i = next++) {
      signal.throwIfAborted();
      if (!context.hasTime()) late = true;
      else texts[i] = await textOf(sources[i] as CommittedSource, context, signal);
    }
  };
  const lanes = Math.min(context.concurrency, sources.length);
  await allOrFirstFailure(Array.from({ length: lanes }, lane), stop);
  return (late as boolean) ? 'out of time' : texts;
}

async function textOf(
  { key, etag, size, encoding }: CommittedSource,
  { source, ...sides }: ProofContext,
  signal: AbortSignal,
): Promise<Text | undefined> {
  const raw = sourceStore(sides);
  const from = { bucket: source.bucket, key, etag };
  const head = await raw.head(from);
  if (head?.etag !== etag || head.size !== size) return undefined;
  if (head.crc32 !== undefined && encoding === undefined) return { length: size, crc32: head.crc32 };
  const text = { length: 0, crc32: 0 };
  for await (const chunk of decode(encoding ?? 'plain', raw.stream(from, signal), key)) {
    text.length += chunk.length;
    text.crc32 = crc32(chunk, text.crc32);
  }
  return text;
}

/** Reads the output, and compares each source that is there with what is in its place. */
async function firstDifference(
  { key, etag, codec = 'none' }: CommittedOutput,
  sources: readonly CommittedSource[],
  texts: (Text | undefined)[],
  { store, destination, signal }: ProofContext,
): Promise<string | undefined> {
  const stored = store.stream({ bucket: destination.bucket, key, etag }, signal);
  const reader = new ByteReader(decode(formOfCodec(codec), stored, key));
  try {
    for (const [i, frame] of sources.entries()) {
      const text = texts[i];
      if (text === undefined) continue;
      const isAhead = reader.position <= frame.offset && (await reader.skip(frame.offset - reader.position));
      let crc = 0;
      if (isAhead) for await (const chunk of reader.take(frame.length)) crc = crc32(chunk, crc);
      const isWhole = isAhead && reader.position === frame.offset + frame.length;
      if (isWhole && text.length === frame.length && text.crc32 === crc) continue;
      return `does not hold the bytes of ${frame.key} at byte ${frame.offset}`;
    }
    return undefined;
  } catch (error) {
    if (!(error instanceof RollupError) || error.code !== 'SourceCorrupt') throw error;
    return 'is damaged: it cannot be decoded';
  } finally {
    await reader.close();
  }
}

/**
 * The CRC-32 of an output from those of its sources, which lie in it one behind another with one newline between two
 * of them at most. Undefined where they do not lie so.
 */
export function joinedCrc32(
  frames: readonly Pick<CommittedSource, 'offset' | 'length'>[],
  crcs: readonly number[],
  size: number,
): number | undefined {
  let joined = 0;
  let end = 0;
  for (const [i, { offset, length }] of frames.entries()) {
    if (offset !== end) return undefined;
    joined = combineCrc32(joined, crcs[i] ?? 0, length);
    end = offset + length;
    const gap = (frames[i + 1]?.offset ?? size) - end;
    if (gap !== 0 && gap !== 1) return undefined;
    if (gap === 1) joined = crc32(NEWLINE, joined);
    end += gap;
  }
  return end === size ? joined : undefined;
}

/** As S3 tells it; undefined of a range, where S3 keeps none, and of what is not there as it was listed. */
export async function crc32ByHead(
  { store, from }: { store: Store; from: ReadFrom },
  size: number,
): Promise<number | undefined> {
  if (from.range !== undefined) return undefined;
  const head = await store.head(from);
  return head?.etag === from.etag && head.size === size ? head.crc32 : undefined;
}

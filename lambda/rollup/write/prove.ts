import type { LimitFunction } from 'p-limit';
import { RollupError, hasCode } from '../../errors.ts';
import { ByteReader } from '../codec/byte-reader.ts';
import { mostHeader } from '../codec/committed-text.ts';
import { decode } from '../codec/decode.ts';
import {
  type Checksum,
  type Crc,
  RunningChecksum,
  checksumOf,
  crcBy,
  isSame,
} from '../model/checksum/checksum.ts';
import { sourceStore } from '../model/endpoints.ts';
import { formOfCodec } from '../model/encoding.ts';
import { allOrFirstFailure } from '../../concurrency.ts';
import {
  type CommittedOutput,
  type CommittedSource,
  type StoredSource,
  wholeLength,
} from '../model/manifest.ts';
import { NEWLINE_BYTES } from '../model/newline.ts';
import type { ReadFrom, Store } from '../model/store.ts';
import { type KindContext, proveKind } from './prove-kind.ts';

/** Attempts at one proof: it begins anew where sources change or leave raw meanwhile. */
const ATTEMPTS = 3;

/**
 * The result of a proof. `holds`: the output holds the bytes of every source that could be read in raw as it was rolled up:
 * `proven` has their ordinals in the index. `differs`: it does not, and `why` ends a sentence that begins with the output's
 * key.
 */
export type Proof =
  | { status: 'holds'; proven: ReadonlySet<number> }
  | { status: 'differs'; why: string }
  | { status: 'out of time' };

export interface ProofContext extends KindContext {
  /** Sources that are decoded at once, those of other proofs included: each takes the memory of a decoder. */
  decoders: LimitFunction;
}

/**
 * Proves that a committed output, which was found with its committed size and checksum, holds the bytes of its sources
 * that are still in raw, in a form that a standard tool reads. S3 returns the checksum of most sources by HEAD; the others
 * are read. If all of them are in raw and not decoded, and have checksums by the output's algorithm, these combine to that of
 * the output; otherwise the output is read, once. Sources that have left raw, or were replaced, are passed over. Holds a
 * length and a checksum a source in memory.
 *
 * @param sources those of the output, by offset
 * @throws RollupError as `Store.head` and `Store.stream` do, but for errors that mean that a source cannot be compared
 */
export async function proveOutput(
  output: CommittedOutput,
  sources: readonly StoredSource[],
  context: ProofContext,
): Promise<Proof> {
  if (sources.length !== output.sources)
    return {
      status: 'differs',
      why: `has ${output.sources} sources, and the index tells of ${sources.length} of them`,
    };
  for (let attempt = 1; ; attempt++) {
    try {
      return await proveOnce(output, sources, context);
    } catch (error) {
      // Another run deletes sources, or they were overwritten.
      if (attempt < ATTEMPTS && hasCode(error, 'SourceVanished', 'SourceChanged')) continue;
      if (!hasCode(error, 'SourceCorrupt', 'SourceVanished', 'SourceChanged')) throw error;
      return { status: 'differs', why: `cannot be compared with its sources: ${(error as Error).message}` };
    }
  }
}

async function proveOnce(
  output: CommittedOutput,
  sources: readonly StoredSource[],
  context: ProofContext,
): Promise<Proof> {
  const texts = await textsOf(sources, context);
  if (texts === 'out of time') return { status: texts };
  const inRaw = sources.filter((_, i) => texts[i] !== undefined);
  const proven = new Set(inRaw.map(({ ordinal }) => ordinal));
  const kind = await proveKind(output, inRaw, context);
  if (kind === 'out of time') return { status: kind };
  if (kind.differs !== undefined) return { status: 'differs', why: kind.differs };
  if (
    output.codec === undefined &&
    sources.every((source, i) => texts[i]?.length === source.length && source.header === undefined)
  ) {
    const expected = checksumOf(output);
    const checksums = texts.flatMap((text) => text?.checksum ?? []);
    const isComparable = checksums.every(({ algorithm }) => algorithm === expected.algorithm);
    const crc = await crcBy(expected.algorithm);
    if (isComparable && isSame(joinedChecksum(crc, sources, checksums, output.size), expected))
      return { status: 'holds', proven };
  }
  if (proven.size === 0) return { status: 'holds', proven };
  const why = await context.requests(() => firstDifference(output, sources, texts, context));
  return why === undefined ? { status: 'holds', proven } : { status: 'differs', why };
}

/** The bytes of a source as an output holds them, with its header: its own, or what they were decoded to. */
interface Text {
  length: number;
  checksum: Checksum;
}

/** The text of every source; undefined for one that is not in raw as it was rolled up. */
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
  const lanes = Math.min(context.requests.concurrency, sources.length);
  await allOrFirstFailure(Array.from({ length: lanes }, lane), stop);
  return (late as boolean) ? 'out of time' : texts;
}

/** The text of a source: by HEAD, or by reading it where S3 holds no checksum of its text. */
async function textOf(
  { key, etag, size, encoding }: CommittedSource,
  { source, requests, decoders, ...endpoints }: ProofContext,
  signal: AbortSignal,
): Promise<Text | undefined> {
  const raw = sourceStore(endpoints);
  const from = { bucket: source.bucket, key, etag };
  const head = await requests(() => raw.head(from));
  if (head?.etag !== etag || head.size !== size) return undefined;
  if (head.checksum !== undefined && encoding === undefined) return { length: size, checksum: head.checksum };
  const read = async (): Promise<Text | undefined> => {
    const sum = new RunningChecksum(await crcBy('crc32'));
    let length = 0;
    try {
      for await (const chunk of decode(encoding ?? 'plain', raw.stream(from, signal), key)) {
        length += chunk.length;
        sum.add(chunk);
      }
      return { length, checksum: sum.value };
    } catch (error) {
      // It stays in raw, since nobody can read it there.
      if (hasCode(error, 'SourceArchived')) return undefined;
      throw error;
    }
  };
  return encoding === undefined ? requests(read) : decoders(() => requests(read));
}

/**
 * Reads the output and compares each source that is in raw with the bytes in its place.
 *
 * @returns the end of a sentence that begins with the output's key; undefined if nothing differs
 */
async function firstDifference(
  { key, etag, codec = 'none' }: CommittedOutput,
  sources: readonly CommittedSource[],
  texts: (Text | undefined)[],
  { store, destination, signal }: ProofContext,
): Promise<string | undefined> {
  const stored = store.stream({ bucket: destination.bucket, key, etag }, signal);
  const reader = new ByteReader(decode(formOfCodec(codec), stored, key), mostHeader(sources));
  try {
    for (const [i, source] of sources.entries()) {
      const text = texts[i];
      if (text === undefined) continue;
      const isAhead =
        reader.position <= source.offset && (await reader.skip(source.offset - reader.position));
      const sum = new RunningChecksum(await crcBy(text.checksum.algorithm));
      // Its header is what the output begins with.
      sum.add(reader.head(source.header ?? 0));
      if (isAhead) for await (const chunk of reader.take(source.length)) sum.add(chunk);
      const isWhole = isAhead && reader.position === source.offset + source.length;
      if (isWhole && text.length === wholeLength(source) && isSame(sum.value, text.checksum)) continue;
      return `does not hold the bytes of ${source.key} at byte ${source.offset}`;
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
 * Computes the checksum of an output from those of its sources, which lie in it one behind another with at most one newline
 * behind each; undefined where they do not.
 *
 * @param size bytes of the output
 */
export function joinedChecksum(
  crc: Crc,
  sources: readonly Pick<CommittedSource, 'offset' | 'length'>[],
  checksums: readonly Checksum[],
  size: number,
): Checksum | undefined {
  const newline = crc.of(NEWLINE_BYTES);
  let joined = crc.none;
  let end = 0;
  for (const [i, { offset, length }] of sources.entries()) {
    if (offset !== end) return undefined;
    joined = crc.combine(joined, checksums[i] ?? crc.none, length);
    end = offset + length;
    const gap = (sources[i + 1]?.offset ?? size) - end;
    if (gap !== 0 && gap !== 1) return undefined;
    if (gap === 1) joined = crc.combine(joined, newline, 1);
    end += gap;
  }
  return end === size ? joined : undefined;
}

/** The checksum that S3 holds of an object; undefined for a range, and for an object that has none or is not as it was listed. */
export async function checksumByHead(
  { store, from }: { store: Store; from: ReadFrom },
  size: number,
): Promise<Checksum | undefined> {
  if (from.range !== undefined) return undefined;
  const head = await store.head(from);
  return head?.etag === from.etag && head.size === size ? head.checksum : undefined;
}

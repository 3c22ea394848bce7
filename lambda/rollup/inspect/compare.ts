import { RollupError, hasCode } from '../../errors.ts';
import { ByteReader, asStream } from '../codec/byte-reader.ts';
import { mostHeader } from '../codec/committed-text.ts';
import { decode } from '../codec/decode.ts';
import {
  type Crc,
  RunningChecksum,
  checksumOf,
  crcBy,
  formatChecksum,
  formatCrc32,
  isSame,
} from '../model/checksum/checksum.ts';
import { type Endpoints, sourceStore } from '../model/endpoints.ts';
import { formOfCodec } from '../model/encoding.ts';
import type { Location } from '../model/location.ts';
import type { CommittedOutput, CommittedSource } from '../model/manifest.ts';
import { NEWLINE } from '../model/newline.ts';
import type { Store } from '../model/store.ts';
import type { VerifyProblem } from './report.ts';

/** An output and its sources, which are to be compared. */
export interface Comparison {
  destination: Location;
  source: Location;
  output: CommittedOutput;
  /** All sources of the output, by offset. */
  sources: CommittedSource[];
  /** For each source, true if it is still in raw as it was committed. */
  present: boolean[];
  /** Called for each of these that turns out to be archived, which the listing did not show: it is passed over. */
  onArchived: () => void;
}

/**
 * Reads an output and its sources side by side, with a chunk of each in memory.
 *
 * @param signal ends the reads
 * @returns the first difference; empty if there is none
 * @throws RollupError as `Store.stream` does
 */
export async function compareOutput(
  endpoints: Endpoints,
  comparison: Comparison,
  signal: AbortSignal,
): Promise<VerifyProblem[]> {
  const { destination, output } = comparison;
  const { key, etag } = output;
  const committed = checksumOf(output);
  const stored = new CountedStream(
    endpoints.store.stream({ bucket: destination.bucket, key, etag }, signal),
    await crcBy(committed.algorithm),
  );
  const text = new ByteReader(
    decode(formOfCodec(output.codec ?? 'none'), stored.chunks(), key),
    mostHeader(comparison.sources),
  );
  const at: ProblemAt = (code, offset, why, source) => {
    const message = `${key}, byte ${offset}${output.decoded === undefined ? '' : ' of its text'}: ${why}.`;
    return [{ code, message, output: key, offset, ...(source === undefined ? {} : { source }) }];
  };
  try {
    const different = await compareSources(sourceStore(endpoints), comparison, text, at, signal);
    if (different !== undefined) return different;
    const { decoded } = output;
    if (!(await text.isOver())) return at('output-bytes', text.position, 'goes on behind its last source');
    if (decoded !== undefined && formatCrc32(text.crc32) !== decoded.crc32) {
      return at(
        'output-checksum',
        0,
        `its text has CRC-32 ${formatCrc32(text.crc32)}; committed was ${decoded.crc32}`,
      );
    }
    const found = stored.sum.value;
    if (isSame(found, committed)) return [];
    return at('output-checksum', 0, `has ${formatChecksum(found)}; committed was ${committed.digits}`);
  } catch (error) {
    if (!(error instanceof RollupError) || error.code !== 'SourceCorrupt') throw error;
    const code = error.key === key ? 'output-checksum' : 'source-bytes';
    return at(
      code,
      text.position,
      error.message.replace(/\.$/, ''),
      error.key === key ? undefined : error.key,
    );
  } finally {
    await text.close();
  }
}

/** A problem at a byte of the output's text. `why` ends a sentence that begins with the output's key and the offset. */
type ProblemAt = (
  code: VerifyProblem['code'],
  offset: number,
  why: string,
  source?: string,
) => VerifyProblem[];

/** Compares the text of an output with its sources, one after another; undefined if nothing differs. */
async function compareSources(
  raw: Store,
  { source, output, sources, present, onArchived }: Comparison,
  text: ByteReader,
  at: ProblemAt,
  signal: AbortSignal,
): Promise<VerifyProblem[] | undefined> {
  for (const [i, committed] of sources.entries()) {
    if (present[i] === true) {
      const { key, etag, encoding = 'plain', header = 0 } = committed;
      const stored = raw.stream({ bucket: source.bucket, key, etag }, signal);
      const original = new ByteReader(decode(encoding, stored, key));
      try {
        if (await isUnreadable(original)) {
          onArchived();
          if (!(await text.skip(committed.length)))
            return at('output-bytes', text.position, `ends inside ${committed.key}`, committed.key);
        } else {
          const head = new ByteReader(asStream(text.head(header)));
          const headDiffers = await firstDifference(head, original, header);
          if (headDiffers !== undefined)
            return at('source-bytes', headDiffers, `differs from byte ${headDiffers} of ${key}`, key);
          const differs = await firstDifference(text, original, committed.length);
          if (differs !== undefined) {
            const why = `differs from byte ${header + differs} of ${key}`;
            return at('source-bytes', committed.offset + differs, why, key);
          }
          if (!(await original.isOver()))
            return at('source-bytes', committed.offset + committed.length, `${key} goes on there`, key);
        }
      } finally {
        await original.close();
      }
    } else if (!(await text.skip(committed.length))) {
      return at('output-bytes', text.position, `ends inside ${committed.key}`, committed.key);
    }
    const end = committed.offset + committed.length;
    const added = (sources[i + 1]?.offset ?? output.decoded?.size ?? output.size) - end;
    if (added === 0) continue;
    const endsLine = text.last === NEWLINE;
    if (!(await text.skip(1)) || text.last !== NEWLINE || endsLine) {
      return at('output-bytes', end, `is not a newline that ${committed.key} lacked`, committed.key);
    }
  }
  return undefined;
}

/** True of a source that S3 Intelligent-Tiering has archived: neither its listing nor anything else tells before a GET. */
async function isUnreadable(original: ByteReader): Promise<boolean> {
  try {
    await original.isOver();
    return false;
  } catch (error) {
    if (hasCode(error, 'SourceArchived')) return true;
    throw error;
  }
}

/** Compares the next `length` bytes of both; returns the index of the first that differs, undefined if none does. */
async function firstDifference(
  text: ByteReader,
  original: ByteReader,
  length: number,
): Promise<number | undefined> {
  for (let done = 0; done < length;) {
    const expected = await original.read(length - done);
    if (expected.length === 0) return done;
    for (let at = 0; at < expected.length;) {
      const got = await text.read(expected.length - at);
      const part = expected.subarray(at, at + got.length);
      if (got.length === 0) return done + at;
      if (!part.equals(got)) return done + at + got.findIndex((byte, i) => byte !== part[i]);
      at += got.length;
    }
    done += expected.length;
  }
  return undefined;
}

/** A stream whose checksum is computed while it is read. */
class CountedStream {
  readonly #chunks: AsyncIterable<Buffer>;
  readonly sum: RunningChecksum;

  constructor(chunks: AsyncIterable<Buffer>, crc: Crc) {
    this.#chunks = chunks;
    this.sum = new RunningChecksum(crc);
  }

  async *chunks(): AsyncGenerator<Buffer> {
    for await (const chunk of this.#chunks) {
      this.sum.add(chunk);
      yield chunk;
    }
  }
}

import { crc32 } from './crc32.ts';
import type { Location } from './location.ts';
import { type CommittedOutput, type CommittedSource, formatCrc32 } from './manifest.ts';
import { type Sides, rawOf } from './sides.ts';
import type { Problem } from './verify.ts';

const NEWLINE = 0x0a;

export interface Comparison {
  destination: Location;
  source: Location;
  output: CommittedOutput;
  /** By offset. */
  sources: CommittedSource[];
  /** Which of them are still in raw as they were committed. */
  present: boolean[];
}

/** Reads an output and its sources side by side, a chunk of each in memory, and tells the first difference. */
export async function compareOutput(
  sides: Sides,
  { destination, source, output, sources, present }: Comparison,
): Promise<Problem[]> {
  const { key, etag, size } = output;
  const raw = rawOf(sides);
  const stored = new Bytes(sides.store.stream({ bucket: destination.bucket, key, etag }));
  const at = (code: Problem['code'], offset: number, why: string, sourceKey?: string): Problem[] => {
    const message = `${key}, byte ${offset}: ${why}.`;
    return [
      { code, message, output: key, offset, ...(sourceKey === undefined ? {} : { source: sourceKey }) },
    ];
  };
  try {
    for (const [i, frame] of sources.entries()) {
      if (present[i] === true) {
        const original = new Bytes(raw.stream({ bucket: source.bucket, key: frame.key, etag: frame.etag }));
        try {
          const differs = await firstDifference(stored, original, frame.length);
          if (differs !== undefined) {
            const why = `differs from byte ${differs} of ${frame.key}`;
            return at('source-bytes', frame.offset + differs, why, frame.key);
          }
          await original.finish();
        } finally {
          await original.close();
        }
      } else {
        await stored.skip(frame.length);
      }
      const end = frame.offset + frame.length;
      const added = (sources[i + 1]?.offset ?? size) - end;
      if (added === 0) continue;
      const endsLine = stored.last === NEWLINE;
      await stored.skip(1);
      if (stored.last !== NEWLINE || endsLine) {
        return at('output-bytes', end, `is not a newline that ${frame.key} lacked`, frame.key);
      }
    }
    await stored.finish();
    if (formatCrc32(stored.crc32) === output.crc32) return [];
    return at('output-checksum', 0, `has CRC-32 ${formatCrc32(stored.crc32)}; committed was ${output.crc32}`);
  } finally {
    await stored.close();
  }
}

/** Compares the next `length` bytes of both; the index of the first that differs. */
async function firstDifference(stored: Bytes, original: Bytes, length: number): Promise<number | undefined> {
  for (let done = 0; done < length;) {
    const expected = await original.read(length - done);
    for (let at = 0; at < expected.length;) {
      const got = await stored.read(expected.length - at);
      const part = expected.subarray(at, at + got.length);
      if (!part.equals(got)) return done + at + got.findIndex((byte, i) => byte !== part[i]);
      at += got.length;
    }
    done += expected.length;
  }
  return undefined;
}

/** A stream of bytes, read in pieces no larger than what has come. */
class Bytes {
  readonly #chunks: AsyncIterator<Buffer>;
  #chunk: Buffer = Buffer.alloc(0);
  /** Of all that was read. */
  crc32 = 0;
  /** The byte that was read last. */
  last: number | undefined;

  constructor(stream: AsyncIterable<Buffer>) {
    this.#chunks = stream[Symbol.asyncIterator]();
  }

  /** At least one byte and at most `most`. The stream itself throws `ShortBody` where it ends early. */
  async read(most: number): Promise<Buffer> {
    while (this.#chunk.length === 0) {
      const next = await this.#chunks.next();
      if (next.done === true) throw new Error('Read past the end of a stream.');
      this.#chunk = next.value;
    }
    const piece = this.#chunk.subarray(0, most);
    this.#chunk = this.#chunk.subarray(piece.length);
    this.crc32 = crc32(piece, this.crc32);
    this.last = piece.at(-1);
    return piece;
  }

  async skip(length: number): Promise<void> {
    for (let left = length; left > 0;) left -= (await this.read(left)).length;
  }

  /** Takes the stream's end, behind its last byte: a body that is left before it takes its connection along. */
  async finish(): Promise<void> {
    await this.#chunks.next();
  }

  async close(): Promise<void> {
    await this.#chunks.return?.();
  }
}

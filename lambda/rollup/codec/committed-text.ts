import { RollupError } from '../../errors.ts';
import type { Origin, Piece } from '../model/output.ts';
import type { ReadResult } from '../model/store.ts';
import type { Locations, SourceRange } from '../write/ranges.ts';
import { ByteReader } from './byte-reader.ts';
import { decode } from './decode.ts';
import { formOfCodec } from '../model/encoding.ts';

/** Bytes of an output that are read at once. */
export const RANGE = 1024 * 1024;
/** Outputs that are being read. Each holds a range and the state of a decoder. */
const MOST_OPEN = 8;

type Read = (reading: SourceRange, into: Buffer) => Promise<ReadResult>;

/**
 * Text of sources that have left raw, out of committed outputs that are encoded. Those can be read only from their
 * beginning; so each is decoded once, for as long as what is asked for lies further on.
 */
export class CommittedTexts {
  readonly #context: Pick<Locations, 'store' | 'destination'>;
  readonly #read: Read;
  /** The one that was used last comes last. */
  readonly #open = new Map<string, ByteReader>();

  constructor(context: Pick<Locations, 'store' | 'destination'>, read: Read) {
    this.#context = context;
    this.#read = read;
  }

  /** Throws as a download does, and `SourceCorrupt` where the output is not what was committed. */
  async *read({ from }: Piece): AsyncGenerator<Buffer> {
    if (from?.coded === undefined) return;
    const { key, offset, length } = from;
    let reader = this.#open.get(key);
    this.#open.delete(key);
    if (reader === undefined || reader.position > offset) {
      await reader?.close();
      reader = new ByteReader(decode(formOfCodec(from.coded.codec), this.#ranges(from), key));
    }
    this.#open.set(key, reader);
    const [[oldest = '', least] = []] = this.#open;
    if (this.#open.size > MOST_OPEN) {
      this.#open.delete(oldest);
      await least?.close();
    }
    await reader.skip(offset - reader.position);
    yield* reader.take(length);
    if (reader.position !== offset + length) {
      throw new RollupError('BadManifest', `${key} has less text than its frames say.`, { key });
    }
  }

  async *#ranges({ key, etag, coded }: Origin): AsyncGenerator<Buffer> {
    const size = coded?.size ?? 0;
    const { store, destination } = this.#context;
    const at = { bucket: destination.bucket, key, etag };
    const into = Buffer.allocUnsafe(Math.min(RANGE, size));
    for (let offset = 0; offset < size; offset += RANGE) {
      const length = Math.min(RANGE, size - offset);
      const bytes = into.subarray(0, length);
      const reading = { store, from: { ...at, range: { offset, length } }, length };
      await this.#read(reading, bytes);
      yield bytes;
    }
  }

  async close(): Promise<void> {
    for (const reader of this.#open.values()) await reader.close();
  }
}

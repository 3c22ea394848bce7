import { RollupError } from '../../errors.ts';
import { formOfCodec } from '../model/encoding.ts';
import type { Origin, Piece } from '../model/output.ts';
import type { ReadResult } from '../model/store.ts';
import type { Locations, SourceRange } from '../write/ranges.ts';
import { ByteReader } from './byte-reader.ts';
import { decode } from './decode.ts';

/** The most bytes of a header that was left out of one of some sources; 0 if none was. */
export function mostHeader(sources: readonly ({ header?: number | undefined } | undefined)[]): number {
  return sources.reduce((most, source) => Math.max(most, source?.header ?? 0), 0);
}

/** Bytes of a committed output that are read at once. */
export const RANGE = 1024 * 1024;
/** Outputs that are read at once. Each holds a range and the state of a decoder. */
const MOST_OPEN = 8;

type Read = (range: SourceRange, into: Buffer) => Promise<ReadResult>;

/**
 * Reads the text of sources that have left raw out of committed outputs that are encoded. Such an output can be decoded
 * only from its beginning; so each is decoded once, as long as the sources that are asked for lie further on in it.
 */
export class CommittedTexts {
  readonly #context: Pick<Locations, 'store' | 'destination'>;
  readonly #read: Read;
  /** Bytes at the beginning of each output that are kept. */
  readonly #mostHeader: number;
  /** By output key. The one that was used last comes last. */
  readonly #open = new Map<string, ByteReader>();

  /** @param pieces those that will be read */
  constructor(context: Pick<Locations, 'store' | 'destination'>, read: Read, pieces: readonly Piece[]) {
    this.#context = context;
    this.#read = read;
    this.#mostHeader = mostHeader(pieces.map(({ from }) => from));
  }

  /**
   * Yields the text of a source.
   *
   * @throws RollupError as a download does; `SourceCorrupt` or `BadManifest` where the output is not what was committed
   */
  async *read({ from }: Piece): AsyncGenerator<Buffer> {
    if (from?.coded === undefined) return;
    const { key, offset, length, header = 0 } = from;
    let reader = this.#open.get(key);
    this.#open.delete(key);
    if (reader === undefined || reader.position > offset) {
      await reader?.close();
      const text = decode(formOfCodec(from.coded.codec), this.#stored(from), key);
      reader = new ByteReader(text, this.#mostHeader);
    }
    this.#open.set(key, reader);
    const [[oldestKey = '', oldest] = []] = this.#open;
    if (this.#open.size > MOST_OPEN) {
      this.#open.delete(oldestKey);
      await oldest?.close();
    }
    await reader.skip(offset - reader.position);
    const head = reader.head(header);
    if (head.length > 0) yield head;
    yield* reader.take(length);
    if (reader.position !== offset + length || head.length !== header) {
      throw new RollupError('BadManifest', `${key} has less text than its frames say.`, { key });
    }
  }

  /** The stored bytes of an output, range by range, in the same memory each time. */
  async *#stored({ key, etag, coded }: Origin): AsyncGenerator<Buffer> {
    const size = coded?.size ?? 0;
    const { store, destination } = this.#context;
    const at = { bucket: destination.bucket, key, etag };
    const into = Buffer.allocUnsafe(Math.min(RANGE, size));
    for (let offset = 0; offset < size; offset += RANGE) {
      const length = Math.min(RANGE, size - offset);
      const bytes = into.subarray(0, length);
      await this.#read({ store, from: { ...at, range: { offset, length } }, length }, bytes);
      yield bytes;
    }
  }

  async close(): Promise<void> {
    for (const reader of this.#open.values()) await reader.close();
  }
}

import { RollupError } from '../../errors.ts';
import { ByteReader } from '../codec/byte-reader.ts';
import { decode } from '../codec/decode.ts';
import { withCommitted } from '../committed/read-committed.ts';
import { type Location, baseOf, formatLocation, parseSource } from '../model/location.ts';
import {
  type CommittedOutput,
  type CommittedSource,
  MANIFEST_NAME,
  type Rollup,
  type SourcesReader,
} from '../model/manifest.ts';
import type { Store } from '../model/store.ts';

/**
 * Finds one source in a rollup and reads its bytes from the output that holds it, whether or not it is still in raw: by a
 * ranged GET, or from a compressed output by decoding it up to the end of the source.
 *
 * @param destination the destination of the rollup
 * @param sourceKey the key of the source: as it is, behind the last slash of the source prefix, or as an `s3://` URI
 * @returns the source and its bytes, decoded if it was decoded when it was rolled up
 * @throws RollupError `NoManifest` if nothing is committed, `NotInRollup` if no source has this key
 */
export async function extract(
  store: Store,
  destination: Location,
  sourceKey: string,
): Promise<{ source: CommittedSource; bytes: AsyncIterable<Buffer> }> {
  return withCommitted(store, destination, undefined, async (rollup) => {
    if (rollup === undefined) throw nothingUnder(destination);
    const { bucket, prefix } = parseSource(rollup.manifest.source);
    const uri = `s3://${bucket}/`;
    const key = sourceKey.startsWith(uri) ? sourceKey.slice(uri.length) : sourceKey;
    const source = await find(rollup.sources, prefix, key);
    if (source === undefined) {
      const { empty } = rollup.manifest.totals.skipped;
      const skipped =
        empty === 0 ? '' : ' Objects that were empty were skipped: it may have been one of them.';
      const message = `${key} is not in the rollup under ${formatLocation(destination)}, which is of ${rollup.manifest.source}.${skipped}`;
      throw new RollupError('NotInRollup', message, { key });
    }
    const output = rollup.manifest.outputs.find((candidate) => candidate.key === source.output);
    return { source, bytes: kept(bytesOf(store, destination, source, output)) };
  });
}

/** Copies of the chunks: a file or a pipe that they are written to holds several of them. */
async function* kept(bytes: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  for await (const chunk of bytes) yield Buffer.from(chunk);
}

/** Keys of sources: each whole, or behind the last slash of the source prefix. */
export interface WantedKeys {
  /** Keys, or `s3://` URIs. */
  keys: ReadonlySet<string>;
  /** Beginnings of keys. */
  prefixes: readonly string[];
}

/** A source that is wanted, with its name: its key behind the last slash of the source prefix. */
export interface WantedSource {
  source: CommittedSource;
  name: string;
}

/** The wanted sources of a rollup. */
export class WantedSources {
  readonly #rollup: Rollup;
  readonly #wanted: WantedKeys;
  /** Wanted keys that no source has had so far. */
  readonly missing: Set<string>;

  constructor(rollup: Rollup, wanted: WantedKeys) {
    this.#rollup = rollup;
    this.#wanted = wanted;
    this.missing = new Set(wanted.keys);
  }

  /** Finds them, in the order in which outputs hold them. The index is read once more with every call. */
  async *find(): AsyncGenerator<WantedSource> {
    const { keys, prefixes } = this.#wanted;
    const { bucket, prefix } = parseSource(this.#rollup.manifest.source);
    const base = baseOf(prefix);
    for await (const lines of this.#rollup.sources.stored())
      for (const source of lines) {
        const name = source.key.slice(base.length);
        const names = [source.key, name, `s3://${bucket}/${source.key}`];
        const found = names.filter((one) => keys.has(one));
        for (const one of found) this.missing.delete(one);
        const isWanted = prefixes.some((beginning) => names.some((one) => one.startsWith(beginning)));
        if (found.length > 0 || isWanted) yield { source, name };
      }
  }
}

/**
 * Finds several sources in a rollup, and calls `use` with each of them and its bytes, one after the other, in the order in which
 * outputs hold them. An output that was compressed is decoded once. The bytes must be read before `use` ends.
 *
 * @param use is called with the key behind the last slash of the source prefix too
 * @returns wanted keys that are not in the rollup
 * @throws RollupError `NoManifest` if nothing is committed, and those of S3 and of `use`
 */
export async function extractAll(
  store: Store,
  destination: Location,
  wanted: WantedKeys,
  use: (source: CommittedSource, name: string, bytes: AsyncIterable<Buffer>) => Promise<void>,
): Promise<string[]> {
  return withCommitted(store, destination, undefined, async (rollup) => {
    if (rollup === undefined) throw nothingUnder(destination);
    const found = new WantedSources(rollup, wanted);
    const reader = new OutputReader(store, destination, rollup);
    try {
      for await (const { source, name } of found.find())
        await use(source, name, kept(reader.bytesOf(source)));
    } finally {
      await reader.close();
    }
    return [...found.missing];
  });
}

/** Reads sources in the order of their outputs, and decodes each output once. */
export class OutputReader {
  readonly #store: Store;
  readonly #destination: Location;
  readonly #outputs: Map<string, CommittedOutput>;
  #open: { key: string; reader: ByteReader; kept: number } | undefined;
  /** An output that could not be decoded to its end: its later sources fail as the first did. */
  #failed: { key: string; error: unknown } | undefined;

  constructor(store: Store, destination: Location, { manifest }: Pick<Rollup, 'manifest'>) {
    this.#store = store;
    this.#destination = destination;
    this.#outputs = new Map(manifest.outputs.map((output) => [output.key, output]));
  }

  /** True of a source whose output is decoded: its bytes have to be read before those of the next one. */
  isInTurn({ output }: CommittedSource): boolean {
    return (this.#outputs.get(output)?.codec ?? 'none') !== 'none';
  }

  /** The bytes of a source. A chunk is valid until the next one is asked for. */
  async *bytesOf(source: CommittedSource): AsyncGenerator<Buffer> {
    const output = this.#outputs.get(source.output);
    const { etag = '', codec = 'none' } = output ?? {};
    if (codec === 'none') {
      yield* bytesOf(this.#store, this.#destination, source, output);
      return;
    }
    const { output: key, offset, length, header = 0 } = source;
    if (this.#failed?.key === key) throw this.#failed.error;
    try {
      if (this.#open?.key !== key || this.#open.reader.position > offset || this.#open.kept < header) {
        await this.close();
        const from = { bucket: this.#destination.bucket, key, etag };
        const reader = new ByteReader(decode(codec, this.#store.stream(from), key), header);
        this.#open = { key, reader, kept: header };
      }
      const { reader } = this.#open;
      await reader.skip(offset - reader.position);
      if (header !== 0) yield reader.head(header);
      yield* reader.take(length);
    } catch (error) {
      this.#failed = { key, error };
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#open?.reader.close();
    this.#open = undefined;
  }
}

/** The error of a destination under which nothing is committed. */
export function nothingUnder(destination: Location): RollupError {
  const key = destination.prefix + MANIFEST_NAME;
  return new RollupError('NoManifest', `Nothing is rolled up under ${formatLocation(destination)}.`, { key });
}

/** The source with this key; if there is none, the one with this key behind the last slash of the prefix. */
async function find(
  sources: SourcesReader,
  prefix: string,
  key: string,
): Promise<CommittedSource | undefined> {
  let relative: CommittedSource | undefined;
  const relativeKey = baseOf(prefix) + key;
  for await (const lines of sources.stored()) {
    const exact = lines.find((candidate) => candidate.key === key);
    if (exact !== undefined) return exact;
    relative ??= lines.find((candidate) => candidate.key === relativeKey);
    // Every source's key begins with the prefix: a key that does not is no source's whole key.
    if (relative !== undefined && !key.startsWith(prefix)) return relative;
  }
  return relative;
}

/**
 * The bytes of a source, decoded if it was: a range of its output, or the output decoded as far as the source goes; behind
 * the header that was left out of it.
 */
async function* bytesOf(
  store: Store,
  { bucket }: Location,
  { offset, length, header = 0, output: key }: CommittedSource,
  output: CommittedOutput | undefined,
): AsyncGenerator<Buffer> {
  const { etag = '', codec = 'none' } = output ?? {};
  const from = { bucket, key, etag };
  if (codec === 'none') {
    // A source may have been decoded to nothing, or be no more than a header; an empty range cannot be asked for.
    if (header > 0) yield* store.stream({ ...from, range: { offset: 0, length: header } });
    if (length > 0) yield* store.stream({ ...from, range: { offset, length } });
    return;
  }
  const reader = new ByteReader(decode(codec, store.stream(from), key), header);
  try {
    await reader.skip(offset);
    if (header > 0) yield reader.head(header);
    yield* reader.take(length);
  } finally {
    await reader.close();
  }
}

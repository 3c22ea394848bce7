import pLimit from 'p-limit';
import type { CommittedOutput, Rollup, StoredSource } from '../model/manifest.ts';

/** Sources of skipped outputs that are held, at most. */
const MOST_HELD = 50_000;

/**
 * Looks up the sources of outputs in the index of a commit. Outputs are asked for in about the order of the index, which is
 * read on from one to the next. Sources of outputs that are skipped on the way are held, up to a limit; an output that lies
 * further back has the index read again from its beginning.
 */
export class OutputSourcesLookup {
  readonly #rollup: Rollup;
  readonly #signal: AbortSignal;
  readonly #oneByOne = pLimit(1);
  /** Sources of skipped outputs, by the output's key. */
  readonly #skipped = new Map<string, StoredSource[]>();
  /** The number of these sources. */
  #held = 0;
  /** The index, where reading it has come to. */
  #reading: AsyncGenerator<OutputSources> | undefined;

  constructor(rollup: Rollup, signal: AbortSignal) {
    this.#rollup = rollup;
    this.#signal = signal;
  }

  /** The sources of the output with this key, by offset; none if the index has none. Throws `BadManifest`. */
  of(output: string): Promise<StoredSource[]> {
    return this.#oneByOne(async () => {
      const skipped = this.#skipped.get(output);
      if (skipped !== undefined) {
        this.#skipped.delete(output);
        this.#held -= skipped.length;
        return skipped;
      }
      const isAtBeginning = this.#reading === undefined;
      let found = await this.#readTo(output);
      if (found === undefined && !isAtBeginning) found = await this.#readTo(output);
      return found ?? [];
    });
  }

  /** Reads on to an output. Returns undefined at the end of the index; the next call reads from its beginning. */
  async #readTo(wanted: string): Promise<StoredSource[] | undefined> {
    const { manifest, sources } = this.#rollup;
    this.#reading ??= sourcesByOutput(manifest.outputs, sources.stored(this.#signal));
    for (let next = await this.#reading.next(); next.done !== true; next = await this.#reading.next()) {
      const { output, sources: found } = next.value;
      if (output.key === wanted) return found;
      if (this.#skipped.has(output.key) || this.#held + found.length > MOST_HELD) continue;
      this.#skipped.set(output.key, found);
      this.#held += found.length;
    }
    this.#reading = undefined;
    return undefined;
  }

  /** Ends the reading of the index. */
  async close(): Promise<void> {
    await this.#reading?.return(undefined);
  }
}

/** An output, and its sources on consecutive lines of the index. */
export interface OutputSources {
  output: CommittedOutput;
  sources: StoredSource[];
}

/**
 * Groups the lines of an index by output, in its order. Lines of an output that the manifest does not name are left out.
 *
 * @param outputs those of the manifest
 * @param stored the sources in the order of the index
 */
export async function* sourcesByOutput(
  outputs: CommittedOutput[],
  stored: AsyncIterable<StoredSource[]>,
): AsyncGenerator<OutputSources> {
  const byKey = new Map(outputs.map((output) => [output.key, output]));
  let key: string | undefined;
  let sources: StoredSource[] = [];
  for await (const some of stored) {
    for (const source of some) {
      const output = key === undefined ? undefined : byKey.get(key);
      if (source.output !== key) {
        if (output !== undefined) yield { output, sources };
        key = source.output;
        sources = [];
      }
      if (byKey.has(source.output)) sources.push(source);
    }
  }
  const output = key === undefined ? undefined : byKey.get(key);
  if (output !== undefined) yield { output, sources };
}

import pLimit from 'p-limit';
import type { CommittedOutput, Rollup, StoredSource } from '../model/manifest.ts';

/** Sources that are held of outputs which were passed over. */
const MOST_HELD = 50_000;

/**
 * The sources of one output of a commit after another, by offset. They are asked for in about the order of the index, which
 * is read on for as long as that holds, and anew from its beginning where an output lies behind.
 */
export class OutputSourcesLookup {
  readonly #rollup: Rollup;
  readonly #signal: AbortSignal;
  readonly #oneByOne = pLimit(1);
  readonly #passed = new Map<string, StoredSource[]>();
  #held = 0;
  #reading: AsyncGenerator<OutputSources> | undefined;

  constructor(rollup: Rollup, signal: AbortSignal) {
    this.#rollup = rollup;
    this.#signal = signal;
  }

  /** Empty where the index tells of none. Throws `BadManifest`. */
  of(output: string): Promise<StoredSource[]> {
    return this.#oneByOne(async () => {
      const passed = this.#passed.get(output);
      if (passed !== undefined) {
        this.#passed.delete(output);
        this.#held -= passed.length;
        return passed;
      }
      const isFresh = this.#reading === undefined;
      return (await this.#readTo(output)) ?? (isFresh ? undefined : await this.#readTo(output)) ?? [];
    });
  }

  /** Reads on to an output; undefined at the end of the index. */
  async #readTo(wanted: string): Promise<StoredSource[] | undefined> {
    const { manifest, sources } = this.#rollup;
    this.#reading ??= sourcesByOutput(manifest.outputs, sources.stored(this.#signal));
    for (let next = await this.#reading.next(); next.done !== true; next = await this.#reading.next()) {
      const { output, sources: found } = next.value;
      if (output.key === wanted) return found;
      if (this.#passed.has(output.key) || this.#held + found.length > MOST_HELD) continue;
      this.#passed.set(output.key, found);
      this.#held += found.length;
    }
    this.#reading = undefined;
    return undefined;
  }

  async close(): Promise<void> {
    await this.#reading?.return(undefined);
  }
}

/** An output, and the lines of the index that lie beside each other and tell of it. */
export interface OutputSources {
  output: CommittedOutput;
  sources: StoredSource[];
}

/** The outputs of an index one after another, each with its lines. */
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
      // Those of an output that the manifest does not name are counted, and that is all.
      if (byKey.has(source.output)) sources.push(source);
    }
  }
  const output = key === undefined ? undefined : byKey.get(key);
  if (output !== undefined) yield { output, sources };
}

import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { RollupError } from '../../errors.ts';
import { compareKeys } from '../model/key-order.ts';
import type { CommittedOutput, CommittedSource, Rollup } from '../model/manifest.ts';
import type { Origin, PlannedOutput } from '../model/output.ts';
import type { ListedObject } from '../model/store.ts';
import { nextIndex } from '../plan/planner.ts';
import { asListed, originInOutput } from '../plan/reconcile.ts';
import { type PlanAt, type PlanHeader, badPlan, planFiles } from './plan-file.ts';

/**
 * Checks a plan against the current commit, output by output, in the order of its lines: each committed source must be in
 * the next commit, once, and sources that are read from committed outputs must be as `_sources` has them. Every output has
 * been checked by itself before (see `createLineCheck`). For each source of an output that is rebuilt it holds two digests
 * of 128 bits, some 150 bytes of memory.
 */
export class CommitCheck {
  readonly #header: PlanHeader;
  readonly #linesKey: string;
  readonly #committed: Rollup | undefined;
  readonly #signal: AbortSignal;
  /** Keys of outputs that stay. */
  readonly #sealed: ReadonlySet<string>;
  /** The committed outputs, by key. */
  readonly #outputs: ReadonlyMap<string, CommittedOutput>;
  /**
   * The sources of outputs that are rebuilt which no line of the plan has had so far: by the digest of the key, the digest
   * of the source as the plan must have it if it reads it from its output.
   */
  readonly #unplaced = new Map<string, string>();
  /** Digests of the keys that the plan adds, if there are outputs that stay, in which they must not be. */
  readonly #addedKeys = new Set<string>();
  /** By folder and kind, whose outputs are in key order: the key of the last source so far. */
  readonly #lastKeys = new Map<string, string>();
  /** The totals of the lines so far. */
  readonly #sums = { outputs: 0, objects: 0, bytes: 0 };
  readonly #firstIndex: number;

  /** Use `open` instead: it reads the index of sources too. */
  constructor(
    header: PlanHeader,
    at: PlanAt,
    committed: Rollup | undefined,
    sealed: CommittedOutput[],
    signal: AbortSignal,
  ) {
    this.#header = header;
    this.#linesKey = planFiles(at).lines.key;
    this.#committed = committed;
    this.#signal = signal;
    this.#sealed = new Set(sealed.map(({ key }) => key));
    this.#outputs = new Map(committed?.manifest.outputs.map((output) => [output.key, output]));
    this.#firstIndex = header.repack ? 0 : nextIndex(committed?.manifest.outputs ?? []);
  }

  /** Begins a check. All methods throw `BadPlan`; those that read the index throw `BadManifest` too. */
  static async open(...given: ConstructorParameters<typeof CommitCheck>): Promise<CommitCheck> {
    const check = new CommitCheck(...given);
    if (check.#sealed.size === check.#outputs.size) return check;
    for await (const source of check.#sources()) {
      if (check.#sealed.has(source.output)) continue;
      check.#unplaced.set(digest(source.key), digest(check.#readFromOutput(source)));
    }
    return check;
  }

  /** The committed sources, in the order of the index. */
  async *#sources(): AsyncGenerator<CommittedSource> {
    for await (const lines of this.#committed?.sources.stored(this.#signal) ?? []) yield* lines;
  }

  /** A committed source as a plan has it that reads it from its output, in canonical form. */
  #readFromOutput(source: CommittedSource): string {
    const output = this.#outputs.get(source.output);
    return canonical(asListed(source), output && originInOutput(source, output));
  }

  /** Checks the next output of the plan. */
  add({ key, index, kind, size, pieces }: PlannedOutput): void {
    const next = this.#firstIndex + this.#sums.outputs;
    if (index !== next) throw this.#bad(`the output ${key} has the index ${index}, and ${next} is the next`);
    this.#sums.outputs++;
    this.#sums.objects += pieces.length;
    this.#sums.bytes += size;
    const folderAndKind = key.slice(0, key.lastIndexOf('/') + 1) + kind;
    const lastKey = this.#lastKeys.get(folderAndKind);
    const [piece] = pieces;
    if (lastKey !== undefined && piece !== undefined && compareKeys(lastKey, piece.source.key) >= 0)
      throw this.#bad(
        `the output ${key} begins with ${piece.source.key}, and one before it ends with ${lastKey}`,
      );
    for (const { source, from } of pieces) {
      const id = digest(source.key);
      const expected = this.#unplaced.get(id);
      if (from !== undefined && expected !== digest(canonical(source, from)))
        throw this.#bad(
          `the output ${key} reads ${JSON.stringify({ source, from })}, which is not what _sources says of it`,
        );
      if (expected !== undefined) this.#unplaced.delete(id);
      else if (this.#sealed.size > 0) this.#addedKeys.add(id);
      this.#lastKeys.set(folderAndKind, source.key);
    }
  }

  /** Checks the plan as a whole, after its last output. */
  async close(): Promise<void> {
    const { totals } = this.#header;
    if (!isDeepStrictEqual(this.#sums, totals))
      throw this.#bad(
        `it comes to ${JSON.stringify(this.#sums)}, and its header says ${JSON.stringify(totals)}`,
      );
    if (this.#unplaced.size === 0 && this.#addedKeys.size === 0) return;
    for await (const { key, output } of this.#sources()) {
      if (this.#unplaced.has(digest(key)))
        throw this.#bad(
          `it has no place for ${this.#unplaced.size} sources that are committed, ${key} among them`,
        );
      if (this.#sealed.has(output) && this.#addedKeys.has(digest(key)))
        throw this.#bad(`it holds ${key} once more, which stays in ${output}`);
    }
  }

  #bad(why: string): RollupError {
    return badPlan(this.#linesKey, why);
  }
}

/** The first 128 bits of the SHA-256. */
function digest(text: string): string {
  return createHash('sha256').update(text).digest().toString('latin1', 0, 16);
}

/** A source and where it is read from, as a text that two equal ones share. */
function canonical({ key, size, etag, lastModified }: ListedObject, from: Origin | undefined): string {
  const fields: unknown[] = [key, size, etag, lastModified];
  if (from !== undefined) {
    fields.push(from.key, from.etag, from.offset, from.length, from.whole, from.encoding, from.header);
    const { coded } = from;
    if (coded !== undefined) fields.push(coded.codec, coded.size, coded.textSize);
  }
  return JSON.stringify(fields);
}

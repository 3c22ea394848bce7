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
 * Holds a plan against what is committed, output by output, in the order of its lines: of the sources of the commit each
 * must be in the next one, once, and those that are read from committed outputs must be what `_sources` says of them.
 * Outputs are checked by themselves before (see `createLineCheck`). Of sources of outputs that are rebuilt it holds two
 * digests of 128 bits, some 150 bytes of memory.
 */
export class CommitCheck {
  readonly #header: PlanHeader;
  readonly #lines: string;
  readonly #committed: Rollup | undefined;
  readonly #signal: AbortSignal;
  readonly #sealed: ReadonlySet<string>;
  readonly #outputs: ReadonlyMap<string, CommittedOutput>;
  /**
   * Sources of outputs that are rebuilt which no output of the plan has held so far: by the digest of their key, that of
   * how they would be read from their output.
   */
  readonly #owed = new Map<string, string>();
  /** Digests of keys that are new, where they could be in an output that stays. */
  readonly #fresh = new Set<string>();
  /** The last key of each kind and folder: outputs of both are in key order. */
  readonly #last = new Map<string, string>();
  readonly #sums = { outputs: 0, objects: 0, bytes: 0 };
  readonly #first: number;

  /** Use `open`. All methods throw `BadPlan`. */
  constructor(
    header: PlanHeader,
    at: PlanAt,
    committed: Rollup | undefined,
    sealed: CommittedOutput[],
    signal: AbortSignal,
  ) {
    this.#header = header;
    this.#lines = planFiles(at).lines.key;
    this.#committed = committed;
    this.#signal = signal;
    this.#sealed = new Set(sealed.map(({ key }) => key));
    this.#outputs = new Map(committed?.manifest.outputs.map((output) => [output.key, output]));
    this.#first = header.repack ? 0 : nextIndex(committed?.manifest.outputs ?? []);
  }

  static async open(...given: ConstructorParameters<typeof CommitCheck>): Promise<CommitCheck> {
    const account = new CommitCheck(...given);
    if (account.#sealed.size < account.#outputs.size)
      for await (const source of account.#sources())
        if (!account.#sealed.has(source.output))
          account.#owed.set(digest(source.key), digest(account.#reading(source)));
    return account;
  }

  /** Of what is committed, as the index has it. */
  async *#sources(): AsyncGenerator<CommittedSource> {
    for await (const some of this.#committed?.sources.stored(this.#signal) ?? []) yield* some;
  }

  /** How a plan says that a committed source is read from its output. */
  #reading(source: CommittedSource): string {
    const output = this.#outputs.get(source.output);
    return canonical(asListed(source), output && originInOutput(source, output));
  }

  add({ key, index, kind, size, pieces }: PlannedOutput): void {
    const next = this.#first + this.#sums.outputs;
    if (index !== next) throw this.#bad(`the output ${key} has the index ${index}, and ${next} is the next`);
    this.#sums.outputs++;
    this.#sums.objects += pieces.length;
    this.#sums.bytes += size;
    const slot = key.slice(0, key.lastIndexOf('/') + 1) + kind;
    const last = this.#last.get(slot);
    const [piece] = pieces;
    if (last !== undefined && piece !== undefined && compareKeys(last, piece.source.key) >= 0)
      throw this.#bad(
        `the output ${key} begins with ${piece.source.key}, and one before it ends with ${last}`,
      );
    for (const { source, from } of pieces) {
      const id = digest(source.key);
      const owed = this.#owed.get(id);
      if (from !== undefined && owed !== digest(canonical(source, from)))
        throw this.#bad(
          `the output ${key} reads ${JSON.stringify({ source, from })}, which is not what _sources says of it`,
        );
      if (owed !== undefined) this.#owed.delete(id);
      else if (this.#sealed.size > 0) this.#fresh.add(id);
      this.#last.set(slot, source.key);
    }
  }

  /** After the last output. */
  async close(): Promise<void> {
    const { totals } = this.#header;
    if (!isDeepStrictEqual(this.#sums, totals))
      throw this.#bad(
        `it comes to ${JSON.stringify(this.#sums)}, and its header says ${JSON.stringify(totals)}`,
      );
    if (this.#owed.size === 0 && this.#fresh.size === 0) return;
    for await (const { key, output } of this.#sources()) {
      if (this.#owed.has(digest(key)))
        throw this.#bad(
          `it has no place for ${this.#owed.size} sources that are committed, ${key} among them`,
        );
      if (this.#sealed.has(output) && this.#fresh.has(digest(key)))
        throw this.#bad(`it holds ${key} once more, which stays in ${output}`);
    }
  }

  #bad(why: string): RollupError {
    return badPlan(this.#lines, why);
  }
}

/** 128 bits of the SHA-256. */
function digest(text: string): string {
  return createHash('sha256').update(text).digest().toString('latin1', 0, 16);
}

function canonical(source: ListedObject, from: Origin | undefined): string {
  const { coded } = from ?? {};
  return JSON.stringify([
    ...[source.key, source.size, source.etag, source.lastModified],
    ...(from === undefined ? [] : [from.key, from.etag, from.offset, from.length, from.whole, from.encoding]),
    ...(coded === undefined ? [] : [coded.codec, coded.size, coded.textSize]),
  ]);
}

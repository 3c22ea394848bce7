import { isDeepStrictEqual } from 'node:util';
import type { RollupError } from '../errors.ts';
import { compareKeys } from './key-order.ts';
import type { CommittedOutput, CommittedSource, Rollup } from './manifest.ts';
import { type PlannedOutput } from './pack.ts';
import { asListed, nextIndex, originInOutput } from './plan.ts';
import { type PlanAt, type PlanHeader, badPlan, planFiles } from './plan-file.ts';

/**
 * Holds a plan against what is committed, output by output, in the order of its lines: of the sources of the commit each
 * must be in the next one, once, and those that are read from committed outputs must be what `_sources` says of them.
 * Outputs are checked by themselves before (see `createLineCheck`). It holds the sources of outputs that are rebuilt, as
 * the planner did.
 */
export class CommitAccount {
  readonly #header: PlanHeader;
  readonly #lines: string;
  readonly #committed: Rollup | undefined;
  readonly #sealed: ReadonlySet<string>;
  readonly #outputs: ReadonlyMap<string, CommittedOutput>;
  /** Sources of outputs that are rebuilt, by key, that no output of the plan has held so far. */
  readonly #owed = new Map<string, CommittedSource>();
  /** Keys that are new, where they could be in an output that stays. */
  readonly #fresh = new Set<string>();
  /** The last key of each kind and folder: outputs of both are in key order. */
  readonly #last = new Map<string, string>();
  readonly #sums = { outputs: 0, objects: 0, bytes: 0 };
  readonly #first: number;

  /** Throws `BadPlan` from all of its methods. */
  constructor(header: PlanHeader, at: PlanAt, committed: Rollup | undefined, sealed: CommittedOutput[]) {
    this.#header = header;
    this.#lines = planFiles(at).lines.key;
    this.#committed = committed;
    this.#sealed = new Set(sealed.map(({ key }) => key));
    this.#outputs = new Map(committed?.manifest.outputs.map((output) => [output.key, output]));
    this.#first = header.repack ? 0 : nextIndex(committed);
    for (const source of committed?.sources ?? [])
      if (!this.#sealed.has(source.output)) this.#owed.set(source.key, source);
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
      const owed = this.#owed.get(source.key);
      if (from !== undefined) {
        const is = owed && { source: asListed(owed), from: originInOutput(owed, this.#outputs) };
        if (!isDeepStrictEqual({ source, from }, is))
          throw this.#bad(
            `the output ${key} reads ${JSON.stringify({ source, from })}, where _sources has ${JSON.stringify(is ?? null)}`,
          );
      }
      if (owed !== undefined) this.#owed.delete(source.key);
      else if (this.#sealed.size > 0) this.#fresh.add(source.key);
      this.#last.set(slot, source.key);
    }
  }

  /** After the last output. */
  close(): void {
    const { totals } = this.#header;
    if (!isDeepStrictEqual(this.#sums, totals))
      throw this.#bad(
        `it comes to ${JSON.stringify(this.#sums)}, and its header says ${JSON.stringify(totals)}`,
      );
    const [lost] = this.#owed.keys();
    if (lost !== undefined)
      throw this.#bad(
        `it has no place for ${this.#owed.size} sources that are committed, ${lost} among them`,
      );
    if (this.#fresh.size === 0) return;
    for (const { key, output } of this.#committed?.sources ?? [])
      if (this.#sealed.has(output) && this.#fresh.has(key))
        throw this.#bad(`it holds ${key} once more, which stays in ${output}`);
  }

  #bad(why: string): RollupError {
    return badPlan(this.#lines, why);
  }
}

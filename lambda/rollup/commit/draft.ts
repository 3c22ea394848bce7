import type { CommittedOutput, Manifest, Rollup } from '../model/manifest.ts';
import type { OutputCounts, PlanFacts, WrittenOutput } from '../model/output.ts';
import { SourcesIndex } from './sources-index.ts';

/**
 * A commit in the making: the outputs that are to be added, in the order in which they were planned, and the index of all
 * sources, which is compressed while outputs are added.
 */
export class Draft {
  readonly index = new SourcesIndex();
  /** New outputs. */
  readonly added: CommittedOutput[] = [];
  /** ETags of outputs, by key, that this process saw to hold the bytes of their sources. */
  readonly proven = new Map<string, string>();
  readonly plan: PlanFacts;
  readonly #previous: Rollup | undefined;
  readonly #counts: OutputCounts = { written: 0, copied: 0, reused: 0 };
  #isComplete = true;
  #hasSealed = false;
  #headersKept = 0;

  /**
   * @param plan its sealed outputs are read once the first new output is added, the rest of it at the end
   * @param previous the commit that it was planned from
   */
  constructor(plan: PlanFacts, previous: Rollup | undefined) {
    this.plan = plan;
    this.#previous = previous;
  }

  /** Gives the draft up, with what is held of its index. */
  close(): Promise<void> {
    return this.index.close();
  }

  /** Adds the next output; undefined for one that there was no time to write. */
  async add(written: WrittenOutput | undefined): Promise<void> {
    if (written === undefined) {
      this.#isComplete = false;
      return;
    }
    await this.keepSealed();
    await this.index.add(written.sources);
    this.added.push(written.output);
    this.#counts[written.how]++;
    this.#headersKept += written.headersKept ?? 0;
    if (written.proven) this.proven.set(written.output.key, written.output.etag);
  }

  /** False if there was no time for all of the plan: then it cannot be committed. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  /** True if the commit would have no sources. Undecided, so false, where there was no time for all outputs. */
  get isEmpty(): boolean {
    return this.#isComplete && this.totals.objects === 0;
  }

  /** The number of outputs that were written, copied and reused; sealed ones count as reused. */
  get counts(): OutputCounts {
    return { ...this.#counts, reused: this.#counts.reused + this.plan.sealed.length };
  }

  /** Sources of new outputs whose header lines stay behind those of the output's first source, because they differ. */
  get headersKept(): number {
    return this.#headersKept;
  }

  /** The totals of the outputs that were added so far, and of those that stay. */
  get totals(): Manifest['totals'] {
    const { sealed, skipped } = this.plan;
    const outputs = [...sealed, ...this.added];
    const outputBytes = outputs.reduce((sum, { size }) => sum + size, 0);
    const objects = outputs.reduce((sum, { sources }) => sum + sources, 0);
    return { objects, bytes: outputBytes, outputs: outputs.length, outputBytes, skipped };
  }

  /**
   * Copies the lines of sources whose outputs stay, once: they come first in the index. To be called before a commit that
   * adds no output.
   */
  async keepSealed(): Promise<void> {
    if (this.#hasSealed) return;
    this.#hasSealed = true;
    const sealed = new Set(this.plan.sealed.map(({ key }) => key));
    if (this.#previous === undefined || sealed.size === 0) return;
    for await (const sources of this.#previous.sources.stored())
      await this.index.add(sources.filter(({ output }) => sealed.has(output)));
  }
}

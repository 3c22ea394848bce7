import pLimit from 'p-limit';
import { RollupError } from '../../errors.ts';
import { isSuperseded, readCommitted } from '../committed/read-committed.ts';
import { OutputSourcesLookup } from '../committed/sources-of-output.ts';
import { crc32 } from '../model/crc32.ts';
import type { Report } from '../model/events.ts';
import { type Location, formatLocation } from '../model/location.ts';
import {
  type CommittedOutput,
  type CommittedSource,
  MANIFEST_NAME,
  type Rollup,
  formatCrc32,
} from '../model/manifest.ts';
import type { Proven } from '../model/output.ts';
import { type Deleted, type RunProblem } from '../model/run.ts';
import { Lookup } from '../model/side-by-side.ts';
import type { ListedObject, Store } from '../model/store.ts';
import { proveOutput } from '../write/prove.ts';

/** How often the phase begins anew because another run committed meanwhile. */
const ATTEMPTS = 3;
/** Outputs that are proven at once. */
const PROOFS = 8;
/** Problems that are told one by one; the others are counted. */
const MOST_PROBLEMS = 20;

export interface DeleteContext {
  /** Of the destination. */
  store: Store;
  /** Of the source. */
  raw: Store;
  concurrency: number;
  /** Outputs that need no proof. */
  proven: Proven;
  report: Report;
  hasTime: () => boolean;
  signal: AbortSignal;
}

/**
 * Deletes from raw what is committed, and nothing else: see docs/decisions/0002-deleting-sources.md. A source goes if
 * it is still, with its key, ETag and size, the one that was rolled up, and the output that holds it was found to be as
 * committed just before, and was proven to hold its sources. A phase that was killed is taken up by calling it again.
 */
export async function deleteSources(
  source: Location,
  destination: Location,
  context: DeleteContext,
): Promise<{ deleted: Deleted; problems: RunProblem[] }> {
  const tally = { objects: 0, bytes: 0 };
  for (let attempt = 1; ; attempt++) {
    const rollup = await readCommitted(context.store, destination, source);
    const phase = new Phase(source, destination, rollup, context, tally);
    const ended = await phase.run().catch(async (error: unknown) => {
      const gone = rollup !== undefined && (await isSuperseded(context.store, destination, rollup, error));
      if (gone) return 'superseded' as const;
      throw error;
    });
    if (ended !== 'superseded' || attempt === ATTEMPTS) return phase.result;
  }
}

/** Over one commit. */
class Phase {
  readonly #source: Location;
  readonly #destination: Location;
  readonly #rollup: Rollup | undefined;
  readonly #context: DeleteContext;
  readonly #outputs: Map<string, CommittedOutput>;
  /** By key of the output: why its sources must stay; undefined where they may go. */
  readonly #verdicts = new Map<string, Promise<RollupError | 'out of time' | undefined>>();
  readonly #limit;
  readonly #proofs = pLimit(PROOFS);
  /** Read only where an output has to be proven. */
  readonly #frames: OutputSourcesLookup | undefined;
  readonly #tally: { objects: number; bytes: number };
  readonly #kept = { uncommitted: 0, changed: 0, unverified: 0, refused: 0 };
  readonly #problems = new Map<string, RunProblem>();
  #complete = false;

  constructor(
    source: Location,
    destination: Location,
    rollup: Rollup | undefined,
    context: DeleteContext,
    tally: { objects: number; bytes: number },
  ) {
    this.#source = source;
    this.#destination = destination;
    this.#rollup = rollup;
    this.#context = context;
    this.#outputs = new Map(rollup?.manifest.outputs.map((output) => [output.key, output]));
    this.#limit = pLimit(context.concurrency);
    this.#frames = rollup && new OutputSourcesLookup(rollup, context.signal);
    this.#tally = tally;
  }

  get result(): { deleted: Deleted; problems: RunProblem[] } {
    const { objects, bytes } = this.#tally;
    const deleted = { objects, bytes, kept: this.#kept, complete: this.#complete };
    return { deleted, problems: [...this.#problems.values()].slice(0, MOST_PROBLEMS) };
  }

  async run(): Promise<'done' | 'superseded' | 'out of time'> {
    const { raw, hasTime, signal } = this.#context;
    const committed = new Lookup(this.#rollup?.sources.inKeyOrder({ signal, last: true }) ?? nothing());
    try {
      for await (const page of raw.list(this.#source, signal)) {
        const { due, complete } = await this.#due(page, await committed.find(page));
        if (due.length > 0 && !hasTime()) return 'out of time';
        // Another run may have committed: what it holds is asked of its own manifest.
        if (due.length > 0 && !(await this.#stands())) return 'superseded';
        if (due.length > 0) await this.#delete(due);
        if (!complete) return 'out of time';
      }
      this.#complete = true;
      return 'done';
    } finally {
      await committed.close();
      await this.#frames?.close();
    }
  }

  /**
   * Of a page of raw, given what is committed under each of its keys: what is so now, in an output that was verified; all
   * that is, if there was time.
   */
  async #due(
    page: ListedObject[],
    found: (CommittedSource | undefined)[],
  ): Promise<{ due: CommittedSource[]; complete: boolean }> {
    const candidates: CommittedSource[] = [];
    for (const [i, object] of page.entries()) {
      const committed = found[i];
      if (committed === undefined || object.size === 0) this.#kept.uncommitted++;
      else if (committed.etag !== object.etag || committed.size !== object.size) this.#kept.changed++;
      else candidates.push(committed);
    }
    const verdicts = await Promise.all(candidates.map(({ output }) => this.#verdict(output)));
    const due = candidates.filter((_, i) => {
      const damage = verdicts[i];
      if (damage === undefined) return true;
      if (damage === 'out of time') return false;
      this.#kept.unverified++;
      this.#problems.set(damage.message, damage.toJSON());
      return false;
    });
    return { due, complete: !verdicts.includes('out of time') };
  }

  async #delete(due: CommittedSource[]): Promise<void> {
    const { raw, report, signal } = this.#context;
    const undeleted = await raw.deleteUnchanged(this.#source.bucket, due, signal);
    const left = new Set(undeleted.map(({ key }) => key));
    for (const { key, why, error } of undeleted) {
      this.#kept[why]++;
      if (why === 'refused') this.#problems.set(key, error.toJSON());
    }
    const gone = due.filter(({ key }) => !left.has(key));
    this.#tally.objects += gone.length;
    this.#tally.bytes += gone.reduce((sum, { size }) => sum + size, 0);
    report({ type: 'deleted', ...this.#tally });
  }

  async #stands(): Promise<boolean> {
    const { bucket, prefix } = this.#destination;
    const head = await this.#context.store.head({ bucket, key: prefix + MANIFEST_NAME });
    return head !== undefined && head.etag === this.#rollup?.etag;
  }

  #verdict(key: string): Promise<RollupError | 'out of time' | undefined> {
    let verdict = this.#verdicts.get(key);
    if (verdict === undefined) {
      verdict = this.#judge(key);
      this.#verdicts.set(key, verdict);
    }
    return verdict;
  }

  async #judge(key: string): Promise<RollupError | 'out of time' | undefined> {
    const damage = await this.#limit(() => this.#examine(key));
    const output = this.#outputs.get(key);
    if (damage !== undefined || output === undefined) return damage;
    if (this.#context.proven.get(key) === output.etag) return undefined;
    const proof = await this.#proofs(async () => {
      this.#context.signal.throwIfAborted();
      const places = { source: this.#source, destination: this.#destination };
      const frames = (await this.#frames?.of(key)) ?? [];
      return proveOutput(output, frames, { ...this.#context, ...places });
    });
    switch (proof.status) {
      case 'holds':
        return undefined;
      case 'out of time':
        return proof.status;
      case 'differs':
        return this.#damaged(key, proof.why, 'Run once more with --repack: what is in raw is written anew.');
    }
  }

  #damaged(key: string, why: string, advice = ''): RollupError {
    const message = `${key} ${why}. Its sources stay in ${formatLocation(this.#source)}.`;
    return new RollupError('OutputDamaged', `${message} ${advice}`.trim(), { key });
  }

  /** Compares an output with what was committed; where S3 holds no checksum of it, by reading it. */
  async #examine(key: string): Promise<RollupError | undefined> {
    const { store, signal } = this.#context;
    const { bucket } = this.#destination;
    const damaged = (why: string): RollupError => this.#damaged(key, why);
    const output = this.#outputs.get(key);
    if (output === undefined) return damaged('holds sources, but the manifest does not name it');
    signal.throwIfAborted();
    const head = await store.head({ bucket, key });
    if (head === undefined) return damaged('is not there');
    const { size, etag } = output;
    if (head.size !== size || head.etag !== etag)
      return damaged(`has ${head.size} bytes and ETag ${head.etag}; committed were ${size} and ${etag}`);
    let crc = head.crc32;
    if (crc === undefined) {
      crc = 0;
      for await (const chunk of store.stream({ bucket, key, etag }, signal)) crc = crc32(chunk, crc);
    }
    if (formatCrc32(crc) === output.crc32) return undefined;
    return damaged(`has CRC-32 ${formatCrc32(crc)}; committed was ${output.crc32}`);
  }
}

async function* nothing(): AsyncGenerator<never> {
  // Nothing is committed.
}

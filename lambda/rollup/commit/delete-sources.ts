import pLimit from 'p-limit';
import { RollupError } from '../../errors.ts';
import { isSuperseded, readCommitted } from '../committed/read-committed.ts';
import { OutputSourcesLookup } from '../committed/sources-of-output.ts';
import { checksumOf, formatChecksum, isSame } from '../model/checksum/checksum.ts';
import { checksumOfObject } from '../model/checksum/stored-checksum.ts';
import type { Report } from '../model/events.ts';
import { type Location, formatLocation } from '../model/location.ts';
import {
  type CommittedOutput,
  type CommittedSource,
  MANIFEST_NAME,
  type Rollup,
  type StoredSource,
} from '../model/manifest.ts';
import type { Proven } from '../model/output.ts';
import { allOrFirstFailure } from '../../concurrency.ts';
import { type Deleted, type RunProblem } from '../model/run.ts';
import { Lookup } from '../model/side-by-side.ts';
import type { ListedObject, Store } from '../model/store.ts';
import { proveOutput } from '../write/prove.ts';
import { requireSafeDeletes } from './safe-deletes.ts';

/** Attempts: the deletion begins anew where another run committed meanwhile. */
const ATTEMPTS = 3;
/** Problems that are returned one by one; the others are counted. */
const MOST_PROBLEMS = 20;

export interface DeleteContext {
  /** The store of the destination. */
  store: Store;
  /** The store of the source. */
  raw: Store;
  /** Requests at once. */
  concurrency: number;
  /** Outputs that are proven at once, and sources that are decoded at once: the fewer, the sooner one of them is done. */
  outputsInFlight: number;
  /** Outputs that need no proof; undefined where each does. */
  proven: Proven | undefined;
  report: Report;
  hasTime: () => boolean;
  signal: AbortSignal;
}

/**
 * Deletes committed sources from raw, and nothing else: see docs/decisions/0002-deleting-sources.md. A source is deleted if
 * it still is, by key, ETag and size, the one that was rolled up, and if the output that holds it was just found to be as
 * committed, and was proven to hold its sources. A deletion that was killed is continued by calling it again.
 *
 * Nothing is deleted, or nothing more, where the manifest says that the sources stay: a request may have asked for that since
 * this run committed.
 *
 * @returns the numbers of what was deleted and kept, and the first problems
 * @throws RollupError as `Store.list` and `Store.deleteUnchanged` do; `UnsafeDelete` where the store does not keep what was
 *   overwritten: then nothing was deleted
 */
export async function deleteSources(
  source: Location,
  destination: Location,
  context: DeleteContext,
): Promise<{ deleted: Deleted; problems: RunProblem[] }> {
  const deleted = { objects: 0, bytes: 0 };
  for (let attempt = 1; ; attempt++) {
    const rollup = await readCommitted(context.store, destination, source);
    const deletion = new Deletion(source, destination, rollup, context, deleted);
    if (rollup?.manifest.keepSource === true) return deletion.end();
    const ended = await deletion.run().catch(async (error: unknown) => {
      const isSupersededNow =
        rollup !== undefined && (await isSuperseded(context.store, destination, rollup, error));
      if (isSupersededNow) return 'superseded' as const;
      throw error;
    });
    if (ended !== 'superseded' || attempt === ATTEMPTS) return deletion.result;
  }
}

/** The decision on an output. */
type Verdict =
  /** The sources with these ordinals may be deleted. */
  | { status: 'proven'; ordinals: ReadonlySet<number> | 'all' }
  /** None of its sources may be deleted. */
  | { status: 'damaged'; reason: RollupError }
  | { status: 'out of time' }
  /** Another run has committed: the output may have been replaced. */
  | { status: 'superseded' };

/** The deletion of the sources of one commit. */
class Deletion {
  readonly #source: Location;
  readonly #destination: Location;
  readonly #rollup: Rollup | undefined;
  readonly #context: DeleteContext;
  /** By key. */
  readonly #outputs: Map<string, CommittedOutput>;
  /** By key of the output. */
  readonly #verdicts = new Map<string, Promise<Verdict>>();
  readonly #requests;
  readonly #decoders;
  readonly #proofs;
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  /** The index of sources, read only if an output has to be proven. */
  readonly #index: OutputSourcesLookup | undefined;
  readonly #deleted: { objects: number; bytes: number };
  readonly #kept = { uncommitted: 0, changed: 0, unverified: 0, refused: 0 };
  readonly #problems = new Map<string, RunProblem>();
  #complete = false;

  constructor(
    source: Location,
    destination: Location,
    rollup: Rollup | undefined,
    context: DeleteContext,
    deleted: { objects: number; bytes: number },
  ) {
    this.#source = source;
    this.#destination = destination;
    this.#rollup = rollup;
    this.#context = context;
    this.#outputs = new Map(rollup?.manifest.outputs.map((output) => [output.key, output]));
    this.#requests = pLimit(context.concurrency);
    this.#decoders = pLimit(context.outputsInFlight);
    this.#proofs = pLimit(context.outputsInFlight);
    this.#signal = AbortSignal.any([this.#stop.signal, context.signal]);
    this.#index = rollup && new OutputSourcesLookup(rollup, this.#signal);
    this.#deleted = deleted;
  }

  get result(): { deleted: Deleted; problems: RunProblem[] } {
    const { objects, bytes } = this.#deleted;
    const deleted = { objects, bytes, kept: this.#kept, complete: this.#complete };
    return { deleted, problems: [...this.#problems.values()].slice(0, MOST_PROBLEMS) };
  }

  /** Ends the deletion without deleting more. */
  end(): { deleted: Deleted; problems: RunProblem[] } {
    this.#complete = true;
    return this.result;
  }

  async run(): Promise<'done' | 'superseded' | 'out of time'> {
    const { raw, hasTime, signal } = this.#context;
    const committed = new Lookup(this.#rollup?.sources.inKeyOrder({ signal, last: true }) ?? nothing());
    try {
      for await (const page of raw.list(this.#source, signal)) {
        if (!hasTime()) return 'out of time';
        const { deletable, ended } = await this.#deletable(page, await committed.find(page));
        if (deletable.length > 0) {
          await requireSafeDeletes(this.#source, this.#destination, this.#context);
          // Another run may have committed: its own manifest then says which sources it holds.
          if (!(await this.#isCurrent())) return 'superseded';
          await this.#delete(deletable);
        }
        if (ended !== undefined) return ended;
      }
      this.#complete = true;
      return 'done';
    } finally {
      await committed.close();
      await this.#index?.close();
    }
  }

  /**
   * The committed sources that may be deleted: unchanged in raw, and in an output that was proven to hold them.
   *
   * @param page of the listing of raw
   * @param found the committed source under each key of the page
   * @returns `ended`: why no further page should be looked at, if so
   */
  async #deletable(
    page: ListedObject[],
    found: (StoredSource | undefined)[],
  ): Promise<{ deletable: StoredSource[]; ended: 'out of time' | 'superseded' | undefined }> {
    const candidates: StoredSource[] = [];
    for (const [i, object] of page.entries()) {
      const committed = found[i];
      if (committed === undefined || object.size === 0) this.#kept.uncommitted++;
      else if (committed.etag !== object.etag || committed.size !== object.size) this.#kept.changed++;
      else candidates.push(committed);
    }
    const judging = candidates.map(({ output }) => this.#verdict(output));
    const verdicts = await allOrFirstFailure(judging, this.#stop);
    const deletable = candidates.filter(({ ordinal }, i) => {
      const verdict = verdicts[i];
      if (verdict?.status === 'proven') {
        if (verdict.ordinals === 'all' || verdict.ordinals.has(ordinal)) return true;
        this.#kept.unverified++;
      } else if (verdict?.status === 'damaged') {
        this.#kept.unverified++;
        this.#problems.set(verdict.reason.message, verdict.reason.toJSON());
      }
      return false;
    });
    const ended = verdicts.find(({ status }) => status === 'superseded' || status === 'out of time')?.status;
    return { deletable, ended: ended === 'superseded' || ended === 'out of time' ? ended : undefined };
  }

  async #delete(sources: CommittedSource[]): Promise<void> {
    const { raw, report, signal } = this.#context;
    const undeleted = await raw.deleteUnchanged(this.#source.bucket, sources, signal);
    const remaining = new Set(undeleted.map(({ key }) => key));
    for (const { key, why, error } of undeleted) {
      this.#kept[why]++;
      if (why === 'refused') this.#problems.set(key, error.toJSON());
    }
    const deleted = sources.filter(({ key }) => !remaining.has(key));
    this.#deleted.objects += deleted.length;
    this.#deleted.bytes += deleted.reduce((sum, { size }) => sum + size, 0);
    report({ type: 'deleted', ...this.#deleted });
  }

  /** True if no other run has committed. */
  async #isCurrent(): Promise<boolean> {
    const { bucket, prefix } = this.#destination;
    const head = await this.#context.store.head({ bucket, key: prefix + MANIFEST_NAME });
    return head !== undefined && head.etag === this.#rollup?.etag;
  }

  /** The decision on an output, which is made once. */
  #verdict(key: string): Promise<Verdict> {
    let verdict = this.#verdicts.get(key);
    if (verdict === undefined) {
      verdict = this.#judge(key);
      this.#verdicts.set(key, verdict);
    }
    return verdict;
  }

  async #judge(key: string): Promise<Verdict> {
    const verdict = await this.#compare(key);
    // Another run that has committed meanwhile deletes what it replaced.
    if (verdict.status === 'damaged' && !(await this.#isCurrent())) return { status: 'superseded' };
    return verdict;
  }

  async #compare(key: string): Promise<Verdict> {
    const reason = await this.#requests(() => this.#compareStored(key));
    const output = this.#outputs.get(key);
    if (reason !== undefined) return { status: 'damaged', reason };
    if (output === undefined || this.#isProven(output)) return { status: 'proven', ordinals: 'all' };
    const proof = await this.#proofs(async () => {
      this.#signal.throwIfAborted();
      const sources = (await this.#index?.of(key)) ?? [];
      return proveOutput(output, sources, {
        ...this.#context,
        source: this.#source,
        destination: this.#destination,
        requests: this.#requests,
        decoders: this.#decoders,
        signal: this.#signal,
      });
    });
    switch (proof.status) {
      case 'holds':
        return { status: 'proven', ordinals: proof.proven };
      case 'out of time':
        return proof;
      case 'differs': {
        const advice = 'Run once more with --repack: what is in raw is written anew.';
        return { status: 'damaged', reason: this.#damaged(key, proof.why, advice) };
      }
    }
  }

  /** True if this process wrote or proved the output, and manifest and index are still those that it committed. */
  #isProven({ key, etag }: CommittedOutput): boolean {
    const { proven } = this.#context;
    return (
      proven !== undefined &&
      proven.manifest === this.#rollup?.etag &&
      proven.index === this.#rollup.sources.etag &&
      proven.outputs.get(key) === etag
    );
  }

  #damaged(key: string, why: string, advice = ''): RollupError {
    const message = `${key} ${why}. Its sources stay in ${formatLocation(this.#source)}.`;
    return new RollupError('OutputDamaged', `${message} ${advice}`.trim(), { key });
  }

  /** Compares an output with its entry in the manifest; by reading it, where S3 holds no checksum of it. */
  async #compareStored(key: string): Promise<RollupError | undefined> {
    const { store } = this.#context;
    const signal = this.#signal;
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
    const committed = checksumOf(output);
    const stored = await checksumOfObject(store, { bucket, key, etag }, head, committed.algorithm, signal);
    if (isSame(stored, committed)) return undefined;
    return damaged(`has ${formatChecksum(stored)}; committed was ${committed.digits}`);
  }
}

async function* nothing(): AsyncGenerator<never> {
  // Nothing is committed.
}

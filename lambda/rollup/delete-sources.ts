import pLimit from 'p-limit';
import { RollupError } from '../errors.ts';
import { isSuperseded, readCommitted } from './committed.ts';
import { crc32 } from './crc32.ts';
import type { Report } from './events.ts';
import { type Location, formatLocation } from './location.ts';
import {
  type CommittedOutput,
  type CommittedSource,
  MANIFEST_NAME,
  type Rollup,
  formatCrc32,
} from './manifest.ts';
import { Lookup } from './side-by-side.ts';
import type { ListedObject, Store } from './store.ts';

/** How often the phase begins anew because another run committed meanwhile. */
const ATTEMPTS = 3;
/** Problems that are told one by one; the others are counted. */
const MOST_PROBLEMS = 20;

/** What became of the sources in raw. */
export interface Deleted {
  objects: number;
  bytes: number;
  /** What is left in raw, by the reason. */
  kept: {
    /** Not in the rollup: it came late, or is empty. */
    uncommitted: number;
    /** Not what was rolled up under this key: it was changed since. The next run rolls it up anew. */
    changed: number;
    /** In an output that is not there as it was committed. */
    unverified: number;
    /** S3 did not allow it. */
    refused: number;
  };
  /** False where time ran out, or other runs came in between, before the last of them. */
  complete: boolean;
}

/** Something that did not work although the hour is committed. */
export interface Problem {
  code: RollupError['code'];
  message: string;
  key?: string;
}

export interface DeleteContext {
  /** Of the destination. */
  store: Store;
  /** Of the source. */
  raw: Store;
  concurrency: number;
  report: Report;
  hasTime: () => boolean;
  signal: AbortSignal;
}

/**
 * Deletes from raw what is committed, and nothing else: see docs/decisions/0002-deleting-sources.md. A source goes if
 * it is still, with its key, ETag and size, the one that was rolled up, and the output that holds it was found to be as
 * committed just before. A phase that was killed is taken up by calling it again.
 */
export async function deleteSources(
  source: Location,
  destination: Location,
  context: DeleteContext,
): Promise<{ deleted: Deleted; problems: Problem[] }> {
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
  /** By key of the output: why its sources must stay; undefined where it is as committed. */
  readonly #verdicts = new Map<string, Promise<RollupError | undefined>>();
  readonly #limit;
  readonly #tally: { objects: number; bytes: number };
  readonly #kept = { uncommitted: 0, changed: 0, unverified: 0, refused: 0 };
  readonly #problems = new Map<string, Problem>();
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
    this.#tally = tally;
  }

  get result(): { deleted: Deleted; problems: Problem[] } {
    const { objects, bytes } = this.#tally;
    const deleted = { objects, bytes, kept: this.#kept, complete: this.#complete };
    return { deleted, problems: [...this.#problems.values()].slice(0, MOST_PROBLEMS) };
  }

  async run(): Promise<'done' | 'superseded' | 'out of time'> {
    const { raw, hasTime, signal } = this.#context;
    const committed = new Lookup(this.#rollup?.sources.inKeyOrder({ signal, last: true }) ?? nothing());
    try {
      for await (const page of raw.list(this.#source, signal)) {
        const due = await this.#due(page, await committed.find(page));
        if (due.length === 0) continue;
        if (!hasTime()) return 'out of time';
        // Another run may have committed: what it holds is asked of its own manifest.
        if (!(await this.#stands())) return 'superseded';
        await this.#delete(due);
      }
      this.#complete = true;
      return 'done';
    } finally {
      await committed.close();
    }
  }

  /** Of a page of raw, given what is committed under each of its keys: what is so now, in an output that was verified. */
  async #due(page: ListedObject[], found: (CommittedSource | undefined)[]): Promise<CommittedSource[]> {
    const candidates: CommittedSource[] = [];
    for (const [i, object] of page.entries()) {
      const committed = found[i];
      if (committed === undefined || object.size === 0) this.#kept.uncommitted++;
      else if (committed.etag !== object.etag || committed.size !== object.size) this.#kept.changed++;
      else candidates.push(committed);
    }
    const verdicts = await Promise.all(candidates.map(({ output }) => this.#verdict(output)));
    return candidates.filter((_, i) => {
      const damage = verdicts[i];
      if (damage === undefined) return true;
      this.#kept.unverified++;
      this.#problems.set(damage.message, damage.toJSON());
      return false;
    });
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

  #verdict(key: string): Promise<RollupError | undefined> {
    let verdict = this.#verdicts.get(key);
    if (verdict === undefined) {
      verdict = this.#limit(() => this.#examine(key));
      this.#verdicts.set(key, verdict);
    }
    return verdict;
  }

  /** Compares an output with what was committed; where S3 holds no checksum of it, by reading it. */
  async #examine(key: string): Promise<RollupError | undefined> {
    const { store, signal } = this.#context;
    const { bucket } = this.#destination;
    const damaged = (why: string): RollupError =>
      new RollupError(
        'OutputDamaged',
        `${key} ${why}. Its sources stay in ${formatLocation(this.#source)}.`,
        {
          key,
        },
      );
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

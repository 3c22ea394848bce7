import { RollupError } from '../../../lambda/errors.ts';
import { rollUp } from '../../../lambda/rollup/rollup.ts';
import { DEFAULT_SETTINGS } from '../../../lambda/settings/settings.ts';
import { type Settings } from '../../../lambda/settings/table.ts';
import { type Etags, MemoryBucket, MemoryStore } from './memory-store.ts';
import { Watch, orphans, readRollup } from './reader.ts';

export const RAW = 'raw/';
export const AGGREGATED = 'agg/';
const HOUR = 3_600_000;
const SETTINGS: Settings = {
  ...DEFAULT_SETTINGS,
  targetSize: 20,
  partSize: 20,
  concurrency: 3,
  outputsInFlight: 2,
  newline: 'ensure',
};

/** What happens to an hour, or to the clock, between the steps of runs. */
export type Change =
  | { type: 'put'; name: string; size: number }
  | { type: 'expire'; name: string }
  /** Everything leaves raw. */
  | { type: 'empty' }
  | { type: 'two hours pass' }
  | { type: 'the manifest is deleted by hand' };

export interface RunPlan {
  repack: boolean;
  targetSize: number;
  codec?: Settings['codec'];
  /** Deletes from raw what is committed. */
  deletes?: boolean;
  /** Of a source that nobody writes to. */
  mistyped?: boolean;
  /** The step at which it is killed. */
  killedAt: number | undefined;
}

export interface Scenario {
  etags: Etags;
  /** Of the runs before and after, and of those that say nothing else. */
  codec?: Settings['codec'];
  /** How the destination begins: with nothing, with the empty rollup of a mistyped source, or with a commit of what is there. */
  begins?: 'with nothing' | 'mistyped' | 'committed';
  /** Before the first commit, and between that and the runs. */
  before: Change[];
  since: Change[];
  /** Whether a leftover lies there that a sweep will find. */
  leftover: boolean;
  runs: RunPlan[];
  meanwhile: Change[];
}

export interface Outcome {
  violations: string[];
  ends: string[];
}

type Turn = (what: string) => Promise<void>;
const AT_ONCE: Turn = () => Promise.resolve();

/** An hour in memory, the runs on it, and whoever looks on. */
export class Interleaving {
  readonly bucket: MemoryBucket;
  readonly watch: Watch;
  readonly #codec: Settings['codec'];
  #versions = 0;
  #runs = 0;
  /** Of every run, what it is about to do. */
  readonly #next = new Map<number, string>();

  constructor(etags: Etags, codec: Settings['codec'] = 'keep') {
    this.#codec = codec;
    this.bucket = new MemoryBucket(etags);
    this.watch = new Watch(this.bucket, AGGREGATED);
    this.bucket.onChange = () => {
      this.watch.check();
    };
  }

  apply(change: Change): void {
    switch (change.type) {
      case 'two hours pass':
        this.bucket.now = new Date(this.bucket.now.getTime() + 2 * HOUR);
        break;
      case 'expire':
        this.bucket.delete([RAW + change.name]);
        break;
      case 'empty':
        this.bucket.delete(this.bucket.keys(RAW));
        break;
      case 'the manifest is deleted by hand':
        this.watch.forget();
        this.bucket.delete([`${AGGREGATED}_manifest.json`]);
        break;
      case 'put':
        this.bucket.put(RAW + change.name, this.#body(change.name, change.size));
    }
  }

  /** `size` bytes that no other version of any source has; every other one lacks its last newline. */
  #body(name: string, size: number): Buffer {
    const version = ++this.#versions;
    return Buffer.from(
      `${name}${version}`.padEnd(size, '.').slice(-size + 1) + (version % 2 === 0 ? '\n' : '!'),
    );
  }

  /** How a run ended: its status, or the code of its error. What has no code is thrown. */
  async run(plan: Partial<RunPlan> = {}, turn: Turn = AT_ONCE): Promise<string> {
    const { repack = false, targetSize = SETTINGS.targetSize, codec = this.#codec, killedAt } = plan;
    const { deletes: deleteSource = false, mistyped = false } = plan;
    const run = ++this.#runs;
    let steps = 0;
    const store = new MemoryStore(this.bucket, async (what) => {
      const isKilled = ++steps === killedAt;
      this.#next.set(run, isKilled ? 'nothing' : what);
      await (isKilled ? new Promise(() => undefined) : turn(what));
      if (what.startsWith(`delete ${RAW}`)) this.#checkDelete(what.split(' ').slice(1));
    });
    try {
      const { status } = await rollUp(
        {
          source: { bucket: 'b', prefix: mistyped ? 'rwa/' : RAW },
          destination: { bucket: 'b', prefix: AGGREGATED },
          repack,
        },
        {
          store,
          settings: { ...SETTINGS, targetSize, codec, deleteSource },
          // No two runs have the same time.
          now: () => new Date(this.bucket.now.getTime() + run),
          report: () => undefined,
          hasTime: () => true,
          signal: new AbortController().signal,
        },
      );
      return status;
    } catch (error) {
      if (error instanceof RollupError) return error.code;
      throw error;
    } finally {
      this.#next.delete(run);
    }
  }

  /** What is deleted from raw has to be in the rollup that stands, byte for byte. */
  #checkDelete(keys: string[]): void {
    const reading = readRollup(this.bucket, AGGREGATED);
    for (const key of keys) {
      const body = this.bucket.get(key);
      const committed = reading?.sources.get(key);
      if (body === undefined) continue;
      if (committed === undefined) {
        this.watch.violations.add(`${key} is deleted and not in the rollup`);
        continue;
      }
      // Of one that was overwritten meanwhile, the condition of the delete does not hold.
      const isAsCommitted = committed.etag === this.bucket.etag(key);
      if (isAsCommitted && this.#codec === 'keep' && !committed.body.equals(body))
        this.watch.violations.add(`${key} is deleted and is something else in the rollup`);
    }
    if (reading === undefined)
      this.watch.violations.add('sources are deleted of an hour that is not committed');
  }

  /** Whether a run is about to send a request that it sends right behind another: nobody comes in between by hand. */
  get isBusy(): boolean {
    return [...this.#next.values()].some((what) => /^(delete|put .*_manifest)/.test(what));
  }

  /** Once everybody is done: a last run, and hours later another. Then everything has to be right. */
  async settle(): Promise<string[]> {
    const ends = [await this.run()];
    this.apply({ type: 'two hours pass' });
    ends.push(await this.run());
    this.watch.check();
    const problems = [...this.watch.violations];
    if (ends[1] !== 'unchanged') problems.push(`the last runs ended ${ends.join(', ')}`);
    const reading = readRollup(this.bucket, AGGREGATED);
    problems.push(...(reading?.problems ?? ['nothing is committed']));
    for (const key of this.bucket.keys(RAW)) {
      const committed = reading?.sources.get(key)?.body;
      if (committed?.equals(this.bucket.get(key) ?? Buffer.alloc(0)) !== true)
        problems.push(`${key} is not there as it is in raw`);
    }
    problems.push(...orphans(this.bucket, AGGREGATED).map((key) => `${key} is an orphan`));
    problems.push(...Array.from(this.bucket.uploads.values(), ({ key }) => `${key} is an open upload`));
    return problems;
  }
}

/** Plays a scenario; `turn` decides who goes on next, `wait` gives turns until the promise is settled. */
export async function play(
  scenario: Scenario,
  turn: Turn,
  wait: (done: Promise<unknown>) => Promise<unknown>,
): Promise<Outcome> {
  const hour = new Interleaving(scenario.etags, scenario.codec);
  for (const change of scenario.before) hour.apply(change);
  const { begins = 'committed' } = scenario;
  if (begins !== 'with nothing') await hour.run({ mistyped: begins === 'mistyped' });
  if (scenario.leftover) {
    hour.bucket.put(`${AGGREGATED}part-00099-0123456789ab.log`, Buffer.from('leftover'));
    hour.apply({ type: 'two hours pass' });
  }
  for (const change of scenario.since) hour.apply(change);
  const ends = scenario.runs.map((plan, i) => hour.run(plan, (what) => turn(`run ${i}: ${what}`)));
  const alive = ends.filter((_, i) => scenario.runs[i]?.killedAt === undefined);
  const changes = scenario.meanwhile.map(async (change) => {
    await turn(JSON.stringify(change));
    while (change.type === 'the manifest is deleted by hand' && hour.isBusy) await turn('by hand, later');
    hour.apply(change);
  });
  await wait(Promise.all([...alive, ...changes]));
  return { ends: await Promise.all(alive), violations: await hour.settle() };
}

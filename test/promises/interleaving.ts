import { RollupError } from '../../lambda/errors.ts';
import { rollUp } from '../../lambda/rollup/rollup.ts';
import { DEFAULT_SETTINGS, type Settings } from '../../lambda/settings.ts';
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
  { type: 'put'; name: string; size: number } | { type: 'expire'; name: string } | { type: 'two hours pass' };

export interface RunPlan {
  repack: boolean;
  targetSize: number;
  codec?: Settings['codec'];
  /** The step at which it is killed. */
  killedAt: number | undefined;
}

export interface Scenario {
  etags: Etags;
  /** Of the runs before and after, and of those that say nothing else. */
  codec?: Settings['codec'];
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

  constructor(etags: Etags, codec: Settings['codec'] = 'keep') {
    this.#codec = codec;
    this.bucket = new MemoryBucket(etags);
    this.watch = new Watch(this.bucket, AGGREGATED);
    this.bucket.onChange = () => {
      this.watch.check();
    };
  }

  apply(change: Change): void {
    if (change.type === 'two hours pass') this.bucket.now = new Date(this.bucket.now.getTime() + 2 * HOUR);
    else if (change.type === 'expire') this.bucket.delete([RAW + change.name]);
    else this.bucket.put(RAW + change.name, this.#body(change.name, change.size));
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
    let steps = 0;
    const store = new MemoryStore(this.bucket, (what) =>
      ++steps === killedAt ? new Promise(() => undefined) : turn(what),
    );
    try {
      const { status } = await rollUp(
        {
          source: { bucket: 'b', prefix: RAW },
          destination: { bucket: 'b', prefix: AGGREGATED },
          repack,
        },
        {
          store,
          settings: { ...SETTINGS, targetSize, codec },
          now: () => this.bucket.now,
          report: () => undefined,
          hasTime: () => true,
          signal: new AbortController().signal,
        },
      );
      return status;
    } catch (error) {
      if (error instanceof RollupError) return error.code;
      throw error;
    }
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
  await hour.run();
  if (scenario.leftover) {
    hour.bucket.put(`${AGGREGATED}part-00099-0123456789ab.log`, Buffer.from('leftover'));
    hour.apply({ type: 'two hours pass' });
  }
  for (const change of scenario.since) hour.apply(change);
  const ends = scenario.runs.map((plan, i) => hour.run(plan, (what) => turn(`run ${i}: ${what}`)));
  const alive = ends.filter((_, i) => scenario.runs[i]?.killedAt === undefined);
  const changes = scenario.meanwhile.map(async (change) => {
    await turn(JSON.stringify(change));
    hour.apply(change);
  });
  await wait(Promise.all([...alive, ...changes]));
  return { ends: await Promise.all(alive), violations: await hour.settle() };
}

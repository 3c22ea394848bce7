import fc from 'fast-check';
import { AGGREGATED, type WatchedBucket, RAW, bodyOf, endOf } from './watched-bucket.ts';
import { GOOD_ENDS } from './race.ts';
import { readRollup } from './reader.ts';

/** What must be true: what raw holds, and of every source that a good run has seen, the version that is committed. */
export interface Model {
  raw: Map<string, number>;
  committed: Map<string, number>;
}

export interface Real {
  bucket: WatchedBucket;
}

type Command = fc.AsyncCommand<Model, Real>;

/** Most texts begin with the same line, and some with another. */
const body = (name: string, version: number): Buffer => {
  const header = Buffer.from(version % 4 === 3 ? '#other\n' : '#header\n');
  return Buffer.concat([header, bodyOf(name, version, 20 + ((version * 37) % 350))]);
};

/** After a run that ended well: what raw holds is committed as it is, and what has left raw as it was. */
function check(model: Model, { bucket }: Real): void {
  bucket.watch.check();
  for (const [name, version] of model.raw) model.committed.set(name, version);
  const reading = readRollup(bucket.objects, AGGREGATED);
  const problems = [...bucket.watch.violations, ...(reading?.problems ?? ['nothing is committed'])];
  const names = new Set([...(reading?.sources.keys() ?? [])].map((key) => key.slice(RAW.length)));
  for (const [name, version] of model.committed) {
    if (reading?.sources.get(RAW + name)?.body.equals(body(name, version)) !== true)
      problems.push(`${name} is not committed in version ${version}`);
    names.delete(name);
  }
  problems.push(...Array.from(names, (name) => `${name} is committed and never was`));
  if (problems.length > 0) throw new Error(problems.join('\n'));
}

async function rollWell(real: Real, repack = false): Promise<void> {
  const end = endOf(await real.bucket.tryRoll({ repack }));
  if (!['committed', 'unchanged', 'empty'].includes(end)) throw new Error(`The run ended as ${end}.`);
}

class Put implements Command {
  readonly name: string;
  readonly version: number;
  constructor(name: string, version: number) {
    this.name = name;
    this.version = version;
  }
  check = (): boolean => true;
  run(model: Model, { bucket }: Real): Promise<void> {
    bucket.putLog(this.name, body(this.name, this.version), { hasCrc32: this.version % 2 === 0 });
    model.raw.set(this.name, this.version);
    return Promise.resolve();
  }
  toString = (): string => `put ${this.name} #${this.version}`;
}

class Expire implements Command {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
  check = ({ raw }: Readonly<Model>): boolean => raw.has(this.name);
  run(model: Model, { bucket }: Real): Promise<void> {
    bucket.remove(this.name);
    model.raw.delete(this.name);
    return Promise.resolve();
  }
  toString = (): string => `expire ${this.name}`;
}

class Run implements Command {
  readonly repack: boolean;
  constructor(repack: boolean) {
    this.repack = repack;
  }
  check = (): boolean => true;
  async run(model: Model, real: Real): Promise<void> {
    await rollWell(real, this.repack);
    check(model, real);
  }
  toString = (): string => (this.repack ? 'repack' : 'run');
}

/** A run that is cut off at its n-th request: from there on, nothing of it arrives. Then one that is not. */
class Crash implements Command {
  readonly at: number;
  readonly repack: boolean;
  constructor(at: number, repack: boolean) {
    this.at = at;
    this.repack = repack;
  }
  check = (): boolean => true;
  async run(model: Model, real: Real): Promise<void> {
    const { bucket } = real;
    const stop = new AbortController();
    let requests = 0;
    bucket.sandbox.hook = () => {
      bucket.watch.check();
      if (++requests < this.at) return undefined;
      stop.abort();
      return { kind: 'reset' };
    };
    await bucket.tryRoll({ signal: stop.signal, repack: this.repack });
    bucket.sandbox.hook = undefined;
    await rollWell(real);
    check(model, real);
  }
  toString = (): string => `crash at ${this.at}${this.repack ? ' of a repack' : ''}`;
}

class Race implements Command {
  readonly repacks: boolean[];
  constructor(repacks: boolean[]) {
    this.repacks = repacks;
  }
  check = (): boolean => true;
  async run(model: Model, real: Real): Promise<void> {
    const { bucket } = real;
    bucket.sandbox.hook = () => {
      bucket.watch.check();
      return undefined;
    };
    const ends = await Promise.all(
      this.repacks.map(async (repack) => endOf(await bucket.tryRoll({ repack }))),
    );
    bucket.sandbox.hook = undefined;
    const bad = ends.find((end) => !GOOD_ENDS.has(end));
    if (bad !== undefined) throw new Error(`A run ended as ${bad}.`);
    check(model, real);
  }
  toString = (): string =>
    `race of ${this.repacks.map((repack) => (repack ? 'repack' : 'run')).join(' and ')}`;
}

class AgeAndSweep implements Command {
  check = ({ committed, raw }: Readonly<Model>): boolean => committed.size > 0 || raw.size > 0;
  async run(model: Model, real: Real): Promise<void> {
    const problems = await real.bucket.settle();
    if (problems.length > 0 && model.raw.size + model.committed.size > 0)
      throw new Error(problems.join('\n'));
    check(model, real);
  }
  toString = (): string => 'age and sweep';
}

const names = fc.constantFrom('a.log', 'b.log', 'c.log.gz', '\u{1f600}.log', '\uffff.log');

export const commands = [
  fc.tuple(names, fc.nat(9)).map(([name, version]) => new Put(name, version)),
  fc.tuple(names, fc.nat(9)).map(([name, version]) => new Put(name, version)),
  fc.tuple(names, fc.nat(9)).map(([name, version]) => new Put(name, version)),
  names.map((name) => new Expire(name)),
  fc.boolean().map((repack) => new Run(repack)),
  fc.tuple(fc.integer({ min: 1, max: 25 }), fc.boolean()).map(([at, repack]) => new Crash(at, repack)),
  fc.array(fc.boolean(), { minLength: 2, maxLength: 4 }).map((repacks) => new Race(repacks)),
  fc.constant(new AgeAndSweep()),
];

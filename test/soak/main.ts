import { restoreEnvironment } from './environment.ts';
import '../support/credentials.ts';
import { Command, InvalidArgumentError } from '@commander-js/extra-typings';
import fc from 'fast-check';
import { Runners } from '../promises/support/crash.ts';
import { openWatchedBucket } from '../promises/support/watched-bucket.ts';
import { anyScenario, unexpectedEnds } from '../promises/support/any-scenario.ts';
import { play } from '../promises/support/interleaving.ts';
import { commands } from '../promises/support/model.ts';
import { race } from '../promises/support/race.ts';
import { StoreTrials } from './store-trials.ts';
import { crashTrial, faultTrial } from '../promises/support/trials.ts';

function parseNumber(text: string): number {
  const number = Number(text);
  if (text !== '' && number >= 0 && Number.isFinite(number)) return number;
  throw new InvalidArgumentError('a number of 0 or more.');
}

const {
  minutes,
  seed: firstSeed,
  only,
  endpoint,
  restart,
} = new Command('soak')
  .description(
    'Attacks the promises for as long as it is told: faults, crashes, races, interleavings, histories.',
  )
  .option('--minutes <number>', 'how long', parseNumber, 10)
  .option('--seed <number>', 'of the first trial', parseNumber, Date.now() % 1_000_000)
  .option(
    '--only <kind>',
    'one kind of trial: faults, crashes, races, interleavings, histories; with --endpoint restarts, deletes',
  )
  .option('--endpoint <url>', 'attack this store, with the credentials of the environment')
  .option(
    '--restart <command>',
    'with --endpoint: ends the store and starts it again, run in the middle of runs',
  )
  .parse()
  .opts();

/** What went wrong, by what it means. */
const counts = { lost: 0, duplicated: 0, orphaned: 0, other: 0 };
const trials: Record<string, number> = {};
const injected = new Map<string, number>();
let crashes = 0;
let races = 0;

function judge(problem: string): keyof typeof counts {
  if (/orphan|open upload/.test(problem)) return 'orphaned';
  if (/twice|bytes of no source|do not add up/.test(problem)) return 'duplicated';
  return /missing|lost|not committed|not there|gone|overwritten|CRC|has \d+ bytes/.test(problem)
    ? 'lost'
    : 'other';
}

type Trial = (seed: number) => Promise<string[]>;

const runners = new Runners();
const SANDBOX_KINDS: Record<string, Trial> = {
  faults: async (seed) => {
    const found = await faultTrial(seed);
    for (const [name, count] of found.injected) injected.set(name, (injected.get(name) ?? 0) + count);
    return found.problems;
  },
  crashes: async (seed) => {
    const found = await crashTrial(seed, runners);
    crashes += found.crashes;
    return found.problems;
  },
  races: async (seed) => {
    const { problems, ends } = await race(seed);
    races += ends.length;
    return problems;
  },
  interleavings: async (seed) => {
    const details = await fc.check(
      fc.asyncProperty(anyScenario, fc.scheduler(), async (scenario, s) => {
        const turn = (what: string): Promise<void> => s.schedule(Promise.resolve(), what);
        const { ends, violations } = await play(scenario, turn, (done) => s.waitFor(done));
        const bad = unexpectedEnds(ends, scenario).map((end) => `a run ended as ${end}`);
        if (violations.length + bad.length > 0) throw new Error([...violations, ...bad].join('\n'));
      }),
      { seed, numRuns: 200 },
    );
    return details.failed ? [fc.defaultReportMessage(details) ?? 'failed'] : [];
  },
  histories: async (seed) => {
    const details = await fc.check(
      fc.asyncProperty(fc.commands(commands, { maxCommands: 20, size: 'max' }), async (history) => {
        await using bucket = await openWatchedBucket();
        const setup = () => ({ model: { raw: new Map(), committed: new Map() }, real: { bucket } });
        await fc.asyncModelRun(setup, history);
      }),
      { seed, numRuns: 5 },
    );
    return details.failed ? [fc.defaultReportMessage(details) ?? 'failed'] : [];
  },
};

const attacked = endpoint === undefined ? undefined : new StoreTrials({ endpoint, restart });
if (attacked !== undefined) {
  restoreEnvironment();
  await attacked.open();
}
const KINDS = attacked?.kinds ?? SANDBOX_KINDS;
const chosen = Object.entries(KINDS).filter(([kind]) => only === undefined || kind === only);
if (chosen.length === 0) throw new Error(`There is no kind of trial named ${only ?? ''}.`);
const end = performance.now() + minutes * 60_000;
for (let seed = firstSeed; performance.now() < end; seed++) {
  for (const [kind, trial] of chosen) {
    const problems = await trial(seed).catch((error: unknown) => [`it threw: ${String(error)}`]);
    trials[kind] = (trials[kind] ?? 0) + 1;
    for (const problem of problems) {
      counts[judge(problem)]++;
      console.error(`${kind}, --seed ${seed} --only ${kind}: ${problem}`);
    }
  }
}
runners[Symbol.dispose]();

const list = (entries: Iterable<[string, number]>): string =>
  Array.from(entries, ([name, count]) => `${count} ${name}`).join(', ');
console.log(`seeds     from ${firstSeed}`);
if (attacked === undefined) {
  console.log(`trials    ${list(Object.entries(trials))} (200 interleavings, 5 histories each)`);
  console.log(`faults    ${list([...injected].sort(([a], [b]) => a.localeCompare(b)))}`);
  console.log(`crashes   ${crashes}`);
  console.log(`races     ${trials['races'] ?? 0}, of ${races} runs`);
} else {
  console.log(`trials    ${list(Object.entries(trials))}`);
  console.log(`ends      ${list(attacked.ends)}`);
}
if (counts.other > 0) console.log(`failures  ${counts.other}`);
console.log(`${counts.lost} lost, ${counts.duplicated} duplicated, ${counts.orphaned} orphaned`);
process.exit(counts.lost + counts.duplicated + counts.orphaned + counts.other > 0 ? 1 : 0);

import { setTimeout as delay } from 'node:timers/promises';
import { seeded } from '../../support/test-bucket.ts';
import { MiB } from '../../../lambda/size.ts';
import type { Runners } from './crash.ts';
import { mixed } from './fault-mix.ts';
import { type WatchedBucket, bodyOf, endOf, openWatchedBucket } from './watched-bucket.ts';
import { Producer, type Random } from './race.ts';

/** What a trial found wrong, and what it did. */
export interface Found {
  problems: string[];
  injected: Map<string, number>;
  crashes: number;
}

/** Ends of a run under faults: each is honest, and none is a surprise. */
const HONEST = new Set([
  ...['committed', 'unchanged', 'empty', 'Conflict', 'SlowDown', 'S3Error', 'EndpointUnreachable', 'Timeout'],
  ...['ShortBody', 'BodyStalled', 'ChecksumMismatch', 'NoSuchUpload', 'SourceChanged', 'SourceVanished'],
]);

function fill(bucket: WatchedBucket, random: Random, most: number): Producer {
  const producer = new Producer(bucket, random, 400);
  for (let i = random(most); i >= 0; i--) producer.put();
  if (random(4) === 0)
    for (const name of ['x', 'y']) bucket.putLog(`${name}.log`, bodyOf(name, random(9), 3 * MiB));
  return producer;
}

/** Runs under faults of every kind until one ends well; sources come and go between them. */
export async function faultTrial(seed: number): Promise<Found> {
  const random = seeded(seed);
  await using bucket = await openWatchedBucket(
    { targetSize: random(3) === 0 ? 6 * MiB : 300 },
    { timeouts: { headers: 2_000, bodyIdle: 2_000, longest: 4_000, retries: 3_000 } },
  );
  const producer = fill(bucket, random, 30);
  const injected = new Map<string, number>();
  const problems: string[] = [];
  for (let run = 0; run < 3; run++) {
    const faults = mixed(random, 6 + random(20), injected);
    bucket.sandbox.hook = (request) => {
      bucket.watch.check();
      return faults(request);
    };
    const end = await bucket.tryRoll({ repack: random(4) === 0 });
    if (!HONEST.has(endOf(end)))
      problems.push(`a run ended: ${end instanceof Error ? end.message : end.status}`);
    producer.change();
  }
  return { problems: [...problems, ...(await bucket.settle())], injected, crashes: 0 };
}

/** Processes of one hour that are killed at random moments, one after another or beside a run that is not. */
export async function crashTrial(seed: number, runners: Runners): Promise<Found> {
  const random = seeded(seed);
  await using bucket = await openWatchedBucket({ targetSize: random(3) === 0 ? 6 * MiB : 300 });
  const producer = fill(bucket, random, 60);
  let crashes = 0;
  for (let kills = 1 + random(3); kills > 0; kills--) {
    const when = random(2) === 0 ? { ms: random(400) } : { request: 1 + random(40), effect: random(2) === 0 };
    const [killed] = await Promise.all([
      runners.runAndKill(bucket, when, { repack: random(3) === 0 }),
      // Its requests count, and take effect or not, as those of the process do: it is a bystander of the crash.
      random(3) === 0 ? delay(random(300)).then(() => bucket.tryRoll()) : undefined,
    ]);
    if (killed) crashes++;
    if (random(2) === 0) producer.change();
  }
  return { problems: await bucket.settle(), injected: new Map(), crashes };
}

import { setTimeout as delay } from 'node:timers/promises';
import type { Connection } from '../../../lambda/s3/connection.ts';
import { seeded } from '../../support/test-bucket.ts';
import {
  BUCKET,
  AGGREGATED,
  type WatchedBucket,
  RAW,
  bodyOf,
  endOf,
  openWatchedBucket,
} from './watched-bucket.ts';

export type Random = (below: number) => number;

/** How a run may end beside others: what it found was there, or was not any more, or others were first three times. */
export const GOOD_ENDS = new Set([
  'committed',
  'unchanged',
  'empty',
  'Conflict',
  'SourceChanged',
  'SourceVanished',
]);

export interface Trial {
  seed: number;
  problems: string[];
  ends: string[];
  commits: number;
}

/** What changes the hour between requests: sources come, change and expire. */
export class Producer {
  readonly #bucket: WatchedBucket;
  readonly #random: Random;
  readonly #largest: number;
  #version = 0;

  constructor(bucket: WatchedBucket, random: Random, largest: number) {
    this.#bucket = bucket;
    this.#random = random;
    this.#largest = largest;
  }

  put(name = `${this.#random(30)}.log`): void {
    this.#bucket.putLog(name, bodyOf(name, ++this.#version, 2 + this.#random(this.#largest)), {
      hasCrc32: this.#random(2) === 0,
    });
  }

  change(): void {
    const keys = this.#bucket.objects.keys(RAW);
    const key = keys[this.#random(keys.length)];
    const kind = this.#random(3);
    if (key === undefined || kind === 0) this.put();
    else if (kind === 1) this.put(key.slice(RAW.length));
    else this.#bucket.remove(key.slice(RAW.length));
  }
}

/** Two to eight runs of one hour at once, slow beside fast, over an hour that does not stand still. */
export async function race(seed: number): Promise<Trial> {
  const random = seeded(seed);
  // Either there are copies, of what is of the target size or more, or runs differ in it: S3 copies no range of less
  // than 5 MiB, and no target is smaller outside tests.
  const copies = random(2) === 0;
  const [targets, largest] = copies ? [[300], 400] : [[100, 300, 1000], 90];
  await using bucket = await openWatchedBucket();
  const producer = new Producer(bucket, random, largest);
  for (let i = random(12); i >= 0; i--) producer.put();
  if (random(3) > 0) await bucket.tryRoll();
  if (random(2) === 0) leaveOldOrphans(bucket, random);
  for (let i = random(4); i > 0; i--) producer.change();

  bucket.sandbox.hook = async () => {
    bucket.watch.check();
    if (random(15) === 0) producer.change();
    await delay(random(4));
    return undefined;
  };
  const messages: string[] = [];
  const ends = await Promise.all(
    Array.from({ length: 2 + random(7) }, async () => {
      await delay(random(60));
      const settings = { ...bucket.settings, targetSize: targets[random(targets.length)] ?? 300 };
      if (random(4) === 0) bucket.passHours(1);
      const connection = slowed(bucket.connect(settings), random, [0, 5, 40][random(3)] ?? 0);
      const end = await bucket.tryRoll({ connection, settings, repack: random(3) === 0 });
      if (!GOOD_ENDS.has(endOf(end)))
        messages.push(end instanceof Error ? `a run ended: ${end.message}` : end.status);
      return endOf(end);
    }),
  );
  const problems = await bucket.settle();
  return { seed, problems: [...problems, ...messages], ends, commits: bucket.watch.commits };
}

/** A connection whose every call waits first. */
function slowed(connection: Connection, random: Random, ms: number): Connection {
  const store: Connection['store'] = new Proxy(connection.store, {
    get: (target, name) => {
      if (name === 'until') return () => store;
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== 'function') return member;
      // It is no request, and behind both sides is this connection.
      if (name === 'canCopyFrom') return () => true;
      const call = member.bind(target) as (...args: unknown[]) => unknown;
      if (name === 'list' || name === 'stream') return call;
      return async (...args: unknown[]) => {
        await delay(random(ms + 1));
        return call(...args);
      };
    },
  });
  return { ...connection, store };
}

/** What runs that were killed days ago could have left. */
function leaveOldOrphans(bucket: WatchedBucket, random: Random): void {
  const hex = Array.from({ length: 12 }, () => random(16).toString(16)).join('');
  for (const name of [`part-${String(random(5)).padStart(5, '0')}-${hex}.log`, `_sources-${hex}.jsonl.gz`]) {
    bucket.sandbox.put(BUCKET, AGGREGATED + name, 'left', {
      lastModified: new Date(Date.now() - 86_400_000),
    });
  }
}

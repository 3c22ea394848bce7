import { gunzipSync, gzipSync } from 'node:zlib';
import { RollupError } from '../../../lambda/errors.ts';
import type { RunResult } from '../../../lambda/run.ts';
import type { Timeouts } from '../../../lambda/s3/client/timeouts.ts';
import type { Connection, ConnectionOptions } from '../../../lambda/s3/connection.ts';
import { DEFAULT_SETTINGS } from '../../../lambda/settings/settings.ts';
import { type Settings } from '../../../lambda/settings/table.ts';
import { MiB } from '../../../lambda/size.ts';
import { type Sandbox, type SandboxOptions, startSandbox } from '../../../sandbox/sandbox.ts';
import {
  AGGREGATED,
  BUCKET,
  RAW,
  type RollOptions,
  TestBucket,
  withCrc32,
} from '../../support/test-bucket.ts';
import { type Bucket, Watch, orphans, readRollup } from './reader.ts';

export { AGGREGATED, BUCKET, DESTINATION, MANIFEST_KEY, RAW, SOURCE } from '../../support/test-bucket.ts';

/** Outputs of a few hundred bytes: a run of some sources is over in tens of milliseconds. */
export const SMALL: Settings = {
  ...DEFAULT_SETTINGS,
  targetSize: 300,
  partSize: 5 * MiB,
  concurrency: 4,
  outputsInFlight: 2,
  newline: 'ensure',
  // Requests that no signal ends are not repeated for longer once a test lets a store die.
  retryOutageSeconds: 1,
};

/** LastModified of sources. The index of sources contains it: two hours made alike are committed alike. */
const PRODUCED = new Date('2026-11-21T08:30:00Z');

export type End = RunResult | RollupError;

/** A test bucket that is watched from outside while runs are at work, and whose time can pass. */
export class WatchedBucket extends TestBucket {
  readonly objects: Bucket;
  readonly watch: Watch;
  /** Of connections that a run opens for itself. */
  readonly #timeouts: Partial<Timeouts>;
  /** How far the clock of runs is ahead of the machine's: the objects that they find are as much older. */
  #aheadMs = 0;

  constructor(sandbox: Sandbox, settings: Settings, timeouts: Partial<Timeouts>) {
    super(sandbox, settings, new Date());
    this.#timeouts = timeouts;
    this.objects = {
      get: (key) => sandbox.get(BUCKET, key),
      etag: (key) => sandbox.head(BUCKET, key)?.etag,
      keys: (prefix) => sandbox.keys(BUCKET, prefix),
    };
    this.watch = new Watch(this.objects, AGGREGATED);
  }

  /** Writes a raw object that contains a text: compressed where it is named `.gz` and a codec decodes sources. */
  putLog(name: string, text: Buffer, { hasCrc32 = false } = {}): void {
    const body = this.#isEncoded(name) ? gzipSync(text) : text;
    this.put(name, body, { headers: hasCrc32 ? withCrc32(body) : {}, lastModified: PRODUCED });
  }

  #isEncoded(key: string): boolean {
    return this.settings.codec !== 'keep' && key.endsWith('.gz');
  }

  passHours(hours: number): void {
    this.#aheadMs += hours * 3_600_000;
  }

  protected override now(): Date {
    return new Date(Date.now() + this.#aheadMs);
  }

  override connect(
    settings: Partial<Settings> = {},
    options: Omit<Partial<ConnectionOptions>, 'settings'> = {},
  ): Connection {
    return super.connect(settings, { timeouts: this.#timeouts, ...options });
  }

  /**
   * Rolls the hour up over a connection of its own where none is given. Returns the result, or the error that the run
   * ended with where that has a code; any other is thrown.
   */
  async tryRoll(options: RollOptions = {}): Promise<End> {
    const connection = options.connection ?? this.connect();
    try {
      return await this.roll({ ...options, connection });
    } catch (error) {
      if (error instanceof RollupError) return error;
      throw error;
    } finally {
      if (options.connection === undefined) connection.close();
    }
  }

  /**
   * Everything that is wrong: bytes that are not as they were committed, sources in raw that are not committed, and objects
   * or uploads that belong to no commit.
   */
  problems(): string[] {
    this.watch.check();
    const reading = readRollup(this.objects, AGGREGATED);
    const problems = [...this.watch.violations, ...(reading?.problems ?? ['nothing is committed'])];
    for (const key of this.objects.keys(RAW)) {
      const raw = this.objects.get(key);
      const committed = reading?.sources.get(key);
      if (raw === undefined || raw.length === 0) continue;
      const text = this.#isEncoded(key) ? gunzipSync(raw) : raw;
      if (committed?.body.equals(text) !== true) problems.push(`${key} is not committed as it is in raw`);
    }
    problems.push(...orphans(this.objects, AGGREGATED).map((key) => `${key} is an orphan`));
    problems.push(...this.openUploads().map((key) => `${key} is an open upload`));
    return problems;
  }

  openUploads(): string[] {
    return this.sandbox.openUploads(BUCKET).map(({ key }) => key);
  }

  /**
   * Two runs without faults, two hours apart, after which nothing may be left of what failed runs wrote. Returns everything
   * that is wrong then.
   */
  async settle(): Promise<string[]> {
    this.sandbox.hook = undefined;
    const first = await this.tryRoll({ connection: this.connection });
    this.passHours(2);
    const last = await this.tryRoll({ connection: this.connection });
    const ends = [first, last].map(endOf);
    return [
      ...(ends[1] === 'unchanged' ? [] : [`the last runs ended ${ends.join(', ')}`]),
      ...this.problems(),
    ];
  }
}

/** `timeouts`: of connections that runs open for themselves; by default those of the program. */
export async function openWatchedBucket(
  settings: Partial<Settings> = {},
  { timeouts = {}, ...options }: SandboxOptions & { timeouts?: Partial<Timeouts> } = {},
): Promise<WatchedBucket> {
  const sandbox = await startSandbox({ buckets: [BUCKET], ...options });
  return new WatchedBucket(sandbox, { ...SMALL, ...settings }, timeouts);
}

/** A status, or the code of an error. */
export function endOf(end: End): string {
  return end instanceof RollupError ? end.code : end.status;
}

/** `size` bytes unlike those of any other name and version. */
export function bodyOf(name: string, version: number, size: number): Buffer {
  return Buffer.from(
    `${name}#${version} `.repeat(Math.ceil(size / (name.length + 3))).slice(0, size - 1) +
      (version % 2 ? '\n' : '.'),
  );
}

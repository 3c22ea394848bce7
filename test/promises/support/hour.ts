import { crc32, gunzipSync, gzipSync } from 'node:zlib';
import { RollupError } from '../../../lambda/errors.ts';
import { type RunResult, run } from '../../../lambda/run.ts';
import { type Connection, type ConnectionOptions, connect } from '../../../lambda/s3/connection.ts';
import { DEFAULT_SETTINGS } from '../../../lambda/settings/settings.ts';
import { type Settings } from '../../../lambda/settings/table.ts';
import { MiB } from '../../../lambda/size.ts';
import { type Sandbox, startSandbox } from '../../../sandbox/sandbox.ts';
import '../../support/credentials.ts';
import { type Bucket, Watch, orphans, readRollup } from './reader.ts';

export const BUCKET = 'logs';
export const RAW = 'raw/app/08/';
export const AGGREGATED = 'aggregated/app/08/';
export const MANIFEST_KEY = `${AGGREGATED}_manifest.json`;

/** Outputs of a few hundred bytes: a run of some sources is over in tens of milliseconds. */
export const SMALL: Settings = {
  ...DEFAULT_SETTINGS,
  targetSize: 300,
  partSize: 5 * MiB,
  concurrency: 4,
  outputsInFlight: 2,
  newline: 'ensure',
};

/** Short enough for tests, long enough for a busy machine. */
export const QUICK = { connect: 2_000, headers: 1_500, bodyIdle: 700, retries: 2_500 };

/** The index of sources holds it: two hours made alike are committed alike. */
const PRODUCED = new Date('2026-11-21T08:30:00Z');

export type End = RunResult | RollupError;

export interface RollOptions {
  connection?: Connection;
  settings?: Settings;
  repack?: boolean;
  signal?: AbortSignal;
}

/** A sandbox with an hour in it, looked at from outside. */
export class Hour implements AsyncDisposable {
  readonly sandbox: Sandbox;
  readonly bucket: Bucket;
  readonly watch: Watch;
  readonly settings: Settings;
  /** How far the clock of runs is ahead: what they find is as much older. */
  #aheadMs = 0;
  readonly #connections: Connection[] = [];

  constructor(sandbox: Sandbox, settings: Settings) {
    this.sandbox = sandbox;
    this.settings = settings;
    this.bucket = {
      get: (key) => sandbox.get(BUCKET, key),
      etag: (key) => sandbox.head(BUCKET, key)?.etag,
      keys: (prefix) => sandbox.keys(BUCKET, prefix),
    };
    this.watch = new Watch(this.bucket, AGGREGATED);
  }

  /** With a codec, what is named `.gz` has to be it. */
  put(name: string, text: Buffer, { withCrc32 = false } = {}): void {
    const body = this.#isEncoded(name) ? gzipSync(text) : text;
    const checksum = Buffer.alloc(4);
    checksum.writeUInt32BE(crc32(body));
    const headers = withCrc32 ? { 'x-amz-checksum-crc32': checksum.toString('base64') } : {};
    this.sandbox.put(BUCKET, RAW + name, body, { headers, lastModified: PRODUCED });
  }

  #isEncoded(key: string): boolean {
    return this.settings.codec !== 'keep' && key.endsWith('.gz');
  }

  expire(name: string): void {
    this.sandbox.delete(BUCKET, RAW + name);
  }

  passHours(hours: number): void {
    this.#aheadMs += hours * 3_600_000;
  }

  connect(options: Partial<ConnectionOptions> = {}): Connection {
    const connection = connect({
      settings: this.settings,
      endpointUrl: this.sandbox.endpoint,
      timeouts: QUICK,
      ...options,
    });
    this.#connections.push(connection);
    return connection;
  }

  /** How a run ended: with a result, or with an error that has a code. Any other is thrown. */
  async roll({
    connection,
    settings = this.settings,
    repack = false,
    signal,
  }: RollOptions = {}): Promise<End> {
    const own = connection ?? this.connect();
    try {
      return await run(
        {
          source: { bucket: BUCKET, prefix: RAW },
          destination: { bucket: BUCKET, prefix: AGGREGATED },
          repack,
        },
        own,
        {
          settings,
          now: () => new Date(Date.now() + this.#aheadMs),
          ...(signal === undefined ? {} : { signal }),
        },
      );
    } catch (error) {
      if (error instanceof RollupError) return error;
      throw error;
    } finally {
      if (connection === undefined) own.close();
    }
  }

  /** What is not as it has to be: every byte of what is committed, every source in raw, nothing beside them. */
  problems(): string[] {
    this.watch.check();
    const reading = readRollup(this.bucket, AGGREGATED);
    const problems = [...this.watch.violations, ...(reading?.problems ?? ['nothing is committed'])];
    for (const key of this.bucket.keys(RAW)) {
      const raw = this.bucket.get(key);
      const committed = reading?.sources.get(key);
      if (raw === undefined || raw.length === 0) continue;
      const text = this.#isEncoded(key) ? gunzipSync(raw) : raw;
      if (committed?.body.equals(text) !== true) problems.push(`${key} is not committed as it is in raw`);
    }
    problems.push(...orphans(this.bucket, AGGREGATED).map((key) => `${key} is an orphan`));
    problems.push(...this.openUploads().map((key) => `${key} is an open upload`));
    return problems;
  }

  openUploads(): string[] {
    return this.sandbox.openUploads(BUCKET).map(({ key }) => key);
  }

  /** Quiet runs after which nothing of what others left may be there; then all has to be as it should. */
  async settle(): Promise<string[]> {
    this.sandbox.hook = undefined;
    const first = await this.roll();
    this.passHours(2);
    const last = await this.roll();
    const ends = [first, last].map(endOf);
    return [
      ...(ends[1] === 'unchanged' ? [] : [`the last runs ended ${ends.join(', ')}`]),
      ...this.problems(),
    ];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const connection of this.#connections) connection.close();
    await this.sandbox.close();
  }
}

export async function openHour(settings: Partial<Settings> = {}): Promise<Hour> {
  const sandbox = await startSandbox({ buckets: [BUCKET] });
  return new Hour(sandbox, { ...SMALL, ...settings });
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

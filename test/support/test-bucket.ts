import { crc32 } from 'node:zlib';
import { expect } from 'vitest';
import { RollupError } from '../../lambda/errors.ts';
import { verify } from '../../lambda/rollup/inspect/verify.ts';
import { parseLocation } from '../../lambda/rollup/model/location.ts';
import { type CommittedSource, type Manifest, parseManifest } from '../../lambda/rollup/model/manifest.ts';
import { type RunOptions, type RunResult, run } from '../../lambda/run.ts';
import { type Connection, type ConnectionOptions, connect } from '../../lambda/s3/connection.ts';
import { DEFAULT_SETTINGS } from '../../lambda/settings/settings.ts';
import { type Settings } from '../../lambda/settings/table.ts';
import { MiB } from '../../lambda/size.ts';
import {
  type Sandbox,
  type SandboxOptions,
  type SandboxRequest,
  startSandbox,
} from '../../sandbox/sandbox.ts';
import './credentials.ts';
import { isSample } from './hooks.ts';
import { parseSources } from './planning.ts';

export const BUCKET = 'logs';
export const RAW = 'raw/app/20261121/08/';
export const AGGREGATED = 'aggregated/app/20261121/08/';
export const MANIFEST_KEY = `${AGGREGATED}_manifest.json`;
export const SOURCE = parseLocation(`s3://${BUCKET}/${RAW}`);
export const DESTINATION = parseLocation(`s3://${BUCKET}/${AGGREGATED}`);

/** Outputs of the least size that S3 allows parts to have, so that tests move little. */
export const SETTINGS: Settings = {
  ...DEFAULT_SETTINGS,
  targetSize: 5 * MiB,
  partSize: 5 * MiB,
  concurrency: 16,
  outputsInFlight: 2,
  newline: 'ensure',
};

export type RollOptions = Partial<RunOptions> & {
  repack?: boolean;
  deleteSource?: boolean;
  /** `deleteSource` of the request itself, rather than of the settings. */
  asks?: boolean;
  connection?: Connection;
};

interface PutOptions {
  storageClass?: string;
  /** The state of an object that S3 has archived. */
  archive?: { tier?: 'ARCHIVE_ACCESS' | 'DEEP_ARCHIVE_ACCESS'; restore?: 'ongoing' | 'done' };
  headers?: Record<string, string>;
  lastModified?: Date;
}

/** A local S3 with one bucket that holds an hour of raw logs, and a connection to it. */
export class TestBucket implements AsyncDisposable {
  readonly sandbox: Sandbox;
  readonly connection: Connection;
  readonly settings: Settings;
  readonly #began: Date;
  #runs = 0;
  readonly #others: Connection[] = [];

  /** `began`: the time of the first run. */
  constructor(sandbox: Sandbox, settings: Settings, began: Date) {
    this.sandbox = sandbox;
    this.settings = settings;
    this.#began = began;
    this.connection = connect({
      settings,
      endpointUrl: sandbox.endpoint,
      ...(sandbox.ca === undefined ? {} : { ca: sandbox.ca }),
    });
  }

  /** Writes a raw object. `name` is its key without the prefix. */
  put(name: string, body: Uint8Array | string, options: PutOptions = {}): void {
    this.sandbox.put(BUCKET, RAW + name, body, options);
  }

  /** Deletes a raw object. */
  remove(name: string): void {
    this.sandbox.delete(BUCKET, RAW + name);
  }

  /** Writes an hour of objects `00000.log` and so on, lines of 10 to 100 KB. */
  putHour(count: number, random = seeded(count)): void {
    for (let i = 0; i < count; i++) {
      const body = logLines(10_000 + random(90_000), random);
      this.put(`${String(i).padStart(5, '0')}.log`, body, { headers: withCrc32(body) });
    }
  }

  /** Rolls the hour up. */
  roll(options: RollOptions = {}): Promise<RunResult> {
    const { repack = false, connection = this.connection, settings = this.settings, ...others } = options;
    const { deleteSource = settings.deleteSource, asks, ...rest } = others;
    const request = { source: SOURCE, destination: DESTINATION, repack, deleteSource: asks };
    return run(request, connection, {
      now: () => this.now(),
      ...rest,
      settings: { ...settings, deleteSource },
    });
  }

  /**
   * Tries writes out, their conditions and their checksums, as the first commit of a process does; of `parts` too, which takes
   * five times as long as all the rest.
   */
  async tryWritesOut({ parts = false } = {}): Promise<void> {
    await this.connection.store.keepsConditions(DESTINATION);
    await this.connection.store.verifiesUploadsBy(DESTINATION, { inParts: parts });
    this.sandbox.clearRequests();
  }

  /** Tries conditional deletes out, as the first run of a process that deletes sources does. */
  async tryDeletesOut(): Promise<void> {
    await this.connection.store.keepsChanged(DESTINATION, new AbortController().signal);
  }

  /** Opens another connection, as another process would have one. */
  connect(
    settings: Partial<Settings> = {},
    options: Omit<Partial<ConnectionOptions>, 'settings'> = {},
  ): Connection {
    const connection = connect({
      settings: { ...this.settings, ...settings },
      endpointUrl: this.sandbox.endpoint,
      ...options,
    });
    this.#others.push(connection);
    return connection;
  }

  /** Opens a connection that takes the sandbox for Amazon S3: it copies ranges, and its conditions are not tried out. */
  connectAsAmazonS3(settings: Partial<Settings> = {}): Connection {
    const connection = this.connect(settings);
    for (const store of [connection.store, connection.raw]) Object.assign(store, { service: undefined });
    return connection;
  }

  /** The time of the next run: no two runs have the same. */
  protected now(): Date {
    return new Date(this.#began.getTime() + ++this.#runs);
  }

  /** Throws where nothing is committed. */
  get manifest(): Manifest {
    const body = this.sandbox.get(BUCKET, MANIFEST_KEY);
    if (body === undefined) throw new Error('Nothing is committed.');
    return parseManifest(body, MANIFEST_KEY);
  }

  get isCommitted(): boolean {
    return this.sandbox.head(BUCKET, MANIFEST_KEY) !== undefined;
  }

  async sources(): Promise<CommittedSource[]> {
    const { manifest } = this;
    return parseSources(this.sandbox.get(BUCKET, manifest.sources.key) ?? Buffer.alloc(0), manifest);
  }

  /** The committed outputs' bytes, in index order. */
  outputs(): { key: string; body: Buffer }[] {
    return this.manifest.outputs.map(({ key }) => {
      const body = this.sandbox.get(BUCKET, key);
      if (body === undefined) throw new Error(`${key} is not there.`);
      return { key, body };
    });
  }

  /** Names of the objects under the destination, without the prefix. */
  stored(): string[] {
    return this.sandbox.keys(BUCKET, AGGREGATED).map((key) => key.slice(AGGREGATED.length));
  }

  /** Keys under the destination that are neither the manifest nor named by it. */
  leftovers(): string[] {
    const { outputs, sources } = this.manifest;
    const named = new Set([MANIFEST_KEY, sources.key, ...outputs.map(({ key }) => key)]);
    return this.sandbox.keys(BUCKET, AGGREGATED).filter((key) => !named.has(key));
  }

  /** Requests that arrived, since they were last cleared, for keys or listings under a prefix. */
  requests(operation: SandboxRequest['operation'], prefix = ''): SandboxRequest[] {
    return this.sandbox.requests.filter(
      (request) =>
        request.operation === operation && (request.key ?? request.prefix ?? '').startsWith(prefix),
    );
  }

  /** GETs that read sources, but for the ranges that tell their formats before they are planned. */
  downloads(prefix = RAW): SandboxRequest[] {
    return this.requests('GetObject', prefix).filter((request) => !isSample(request));
  }

  /** Requests that change something. */
  writes(): SandboxRequest[] {
    return this.sandbox.requests.filter(({ operation }) => !/^(Get|Head|List)/.test(operation));
  }

  /**
   * Expects that every output is there as committed and every byte in it is its source's, that there is no other object
   * under the destination but `leftovers`, and that no upload is open.
   */
  async expectSound({ leftovers = [] }: { leftovers?: string[] } = {}): Promise<void> {
    const report = await verify(DESTINATION, {
      store: this.connection.store,
      deep: true,
      concurrency: 4,
      progress: () => undefined,
      signal: new AbortController().signal,
    });
    expect(report.problems).toEqual([]);
    expect(this.leftovers()).toEqual(leftovers);
    expect(this.sandbox.openUploads(BUCKET)).toEqual([]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const connection of [this.connection, ...this.#others]) connection.close();
    await this.sandbox.close();
  }
}

/** Opens a bucket whose clock stands still: what has to be older is aged by the test. */
export async function openTestBucket(
  settings: Partial<Settings> = {},
  options: SandboxOptions = {},
): Promise<TestBucket> {
  // Close to the machine's own clock: the SDK takes a server whose clock is far off for one that refuses signatures.
  const began = new Date();
  const sandbox = await startSandbox({ buckets: [BUCKET], now: () => began, ...options });
  const bucket = new TestBucket(sandbox, { ...SETTINGS, ...settings }, began);
  await bucket.tryWritesOut();
  return bucket;
}

/** Headers of a PUT as today's SDKs send them: S3 keeps the CRC-32. */
export function withCrc32(body: Uint8Array | string): Record<string, string> {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc32(body));
  return { 'x-amz-checksum-crc32': bytes.toString('base64') };
}

/** The error that a run failed with. Throws where it did not fail, or failed with an error that has no code. */
export async function failureOf(running: Promise<unknown>): Promise<RollupError> {
  const failure = await running.then(
    () => new Error('It did not fail.'),
    (error: unknown) => error,
  );
  if (failure instanceof RollupError) return failure;
  throw new Error('It failed without a code.', { cause: failure });
}

/** A generator of numbers, the same for the same seed: `random(n)` returns an integer from 0 to `n - 1`. */
export function seeded(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** Lines of JSON, `bytes` in all, the last one ended. No two are alike. */
export function logLines(bytes: number, random = seeded(bytes)): Buffer {
  const body = Buffer.alloc(bytes, 'x');
  let at = 0;
  while (at < bytes) {
    at += body.write(
      `{"at":"2026-11-21T08:${random(60)}Z","id":${random(2 ** 31)},"message":"`,
      at,
      'latin1',
    );
    at += random(400);
    if (at < bytes) at += body.write('"}\n', at, 'latin1');
  }
  if (bytes > 0) body[bytes - 1] = 0x0a;
  return body;
}

/**
 * The bytes that the outputs must contain one after another: every source in key order, with a newline behind each that
 * does not end with one.
 */
export function joinedInKeyOrder(
  sources: Iterable<[key: string, body: Buffer]>,
  newline: 'ensure' | 'none' = 'ensure',
): Buffer {
  const sorted = [...sources].sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  const pieces = sorted.flatMap(([, body]) => {
    const lacks = newline === 'ensure' && body.length > 0 && body.at(-1) !== 0x0a;
    return lacks ? [body, Buffer.from('\n')] : [body];
  });
  return Buffer.concat(pieces);
}

import { crc32 } from 'node:zlib';
import { expect } from 'vitest';
import { RollupError } from '../../lambda/errors.ts';
import { verify } from '../../lambda/rollup/inspect/verify.ts';
import { parseLocation } from '../../lambda/rollup/model/location.ts';
import { type CommittedSource, type Manifest, parseManifest } from '../../lambda/rollup/model/manifest.ts';
import { type RunOptions, type RunResult, run } from '../../lambda/run.ts';
import type { Timeouts } from '../../lambda/s3/client/timeouts.ts';
import { type Connection, connect } from '../../lambda/s3/connection.ts';
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
import { parseSources } from './planning.ts';

export const BUCKET = 'logs';
export const RAW = 'raw/app/20261121/08/';
export const AGGREGATED = 'aggregated/app/20261121/08/';
export const MANIFEST_KEY = `${AGGREGATED}_manifest.json`;
export const SOURCE = parseLocation(`s3://${BUCKET}/${RAW}`);
export const DESTINATION = parseLocation(`s3://${BUCKET}/${AGGREGATED}`);

/** As small as S3 lets outputs be, so that tests move little. */
export const SETTINGS: Settings = {
  ...DEFAULT_SETTINGS,
  targetSize: 5 * MiB,
  partSize: 5 * MiB,
  concurrency: 16,
  outputsInFlight: 2,
  newline: 'ensure',
};

type RollOptions = Partial<RunOptions> & {
  repack?: boolean;
  deleteSource?: boolean;
  connection?: Connection;
};

/** A sandbox, a connection to it, and an hour of raw logs. */
export class World implements AsyncDisposable {
  readonly sandbox: Sandbox;
  readonly connection: Connection;
  readonly settings: Settings;
  readonly #began: Date;
  #runs = 0;
  readonly #others: Connection[] = [];

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

  /** Writes a raw object; its name is what comes behind the prefix. */
  put(
    name: string,
    body: Uint8Array | string,
    options: { storageClass?: string; headers?: Record<string, string> } = {},
  ): void {
    this.sandbox.put(BUCKET, RAW + name, body, options);
  }

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

  roll(options: RollOptions = {}): Promise<RunResult> {
    const { repack = false, connection = this.connection, settings = this.settings, ...rest } = options;
    const { deleteSource = settings.deleteSource, ...more } = rest;
    const request = { source: SOURCE, destination: DESTINATION, repack };
    const chosen = { ...settings, deleteSource };
    return run(request, connection, { now: () => this.#now(), ...more, settings: chosen });
  }

  /** Another connection, as another process would have. */
  connect(settings: Partial<Settings> = {}, timeouts: Partial<Timeouts> = {}): Connection {
    const connection = connect({
      settings: { ...this.settings, ...settings },
      endpointUrl: this.sandbox.endpoint,
      timeouts,
    });
    this.#others.push(connection);
    return connection;
  }

  /** No two runs have the same time, as no two manifests do. */
  #now(): Date {
    return new Date(this.#began.getTime() + ++this.#runs);
  }

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

  /** What lies under the destination, by name. */
  stored(): string[] {
    return this.sandbox.keys(BUCKET, AGGREGATED).map((key) => key.slice(AGGREGATED.length));
  }

  /** What is there and neither named by the manifest nor the manifest. */
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

  /** Requests that change something. */
  writes(): SandboxRequest[] {
    return this.sandbox.requests.filter(({ operation }) => !/^(Get|Head|List)/.test(operation));
  }

  /**
   * What holds after any good end: every output is there as committed, every byte in it is its source's, nothing else
   * lies beside them, no upload is open, and no connection is busy.
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

/** The sandbox's clock stands; what has to be older is aged. */
export async function openWorld(
  settings: Partial<Settings> = {},
  options: SandboxOptions = {},
): Promise<World> {
  // Close to the machine's own clock: the SDK takes a server whose clock is far off for one that refuses signatures.
  const began = new Date();
  const sandbox = await startSandbox({ buckets: [BUCKET], now: () => began, ...options });
  return new World(sandbox, { ...SETTINGS, ...settings }, began);
}

/** As today's SDKs write an object: S3 keeps its CRC-32. */
export function withCrc32(body: Uint8Array | string): Record<string, string> {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc32(body));
  return { 'x-amz-checksum-crc32': bytes.toString('base64') };
}

/** The failure of a run, which has to be one with a code. */
export async function failureOf(running: Promise<unknown>): Promise<RollupError> {
  const failure = await running.then(
    () => new Error('It did not fail.'),
    (error: unknown) => error,
  );
  if (failure instanceof RollupError) return failure;
  throw new Error('It failed without a code.', { cause: failure });
}

/** A small generator of numbers, the same for the same seed: `random(n)` is below `n`. */
export function seeded(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** Lines of JSON, `bytes` in all, the last one ended. No two are alike. */
export function logLines(bytes: number, random = seeded(bytes)): Buffer {
  const lines: string[] = [];
  let length = 0;
  while (length < bytes) {
    const line = `{"at":"2026-11-21T08:${random(60)}Z","id":${random(2 ** 31)},"message":"${'x'.repeat(random(400))}"}\n`;
    lines.push(line);
    length += line.length;
  }
  const body = Buffer.from(lines.join('')).subarray(0, bytes);
  if (bytes > 0) body[bytes - 1] = 0x0a;
  return body;
}

/** Every source in key order, a newline behind each that lacks its last: what the outputs have to come to. */
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

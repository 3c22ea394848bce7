import { fork } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { RollupError } from '../lambda/errors.ts';
import { type ObjectAt, parseLocation } from '../lambda/rollup/location.ts';
import { rollUp } from '../lambda/rollup/rollup.ts';
import type {
  Landed,
  ListedObject,
  ObjectHead,
  ReadFrom,
  Store,
  StreamOptions,
  Streamed,
  UploadContent,
  Written,
} from '../lambda/rollup/store.ts';
import { DEFAULT_SETTINGS } from '../lambda/settings.ts';
import { formatColumns, formatCount } from '../bin/output.ts';
import { LAMBDA_FLAGS } from './process/node-flags.ts';

/**
 * Memory and CPU of the first run of an hour and of later ones, by how many sources are committed:
 * `node bench/index-memory.ts 300000 1000000`. Each run is a process of its own, started as Lambda starts Node in
 * 1,024 MB. Raw objects are made up as they are listed and read, the index and the manifest are files, and of outputs
 * nothing but size and checksum is kept: so what is measured is the run.
 */

const RUNS = ['first', 'unchanged', 'late', 'repack'] as const;
type Run = (typeof RUNS)[number];

const SOURCE = parseLocation('s3://logs/raw/checkout/20261121/08/');
const DESTINATION = parseLocation('s3://logs/aggregated/checkout/20261121/08/');
const PAGE = 1000;
/** One in so many is late. */
const LATE = 1000;
const TIME = '2026-11-21T08:12:34.000Z';

interface Measured {
  status: string;
  rssMiB: number;
  cpuSeconds: number;
  seconds: number;
}

async function measureAll(counts: number[]): Promise<void> {
  const rows = [['sources', 'run', 'peak RSS', 'of the first', 'CPU', 'time']];
  for (const count of counts) {
    const folder = mkdtempSync(join(tmpdir(), 'index-memory-'));
    let first = 0;
    for (const run of RUNS) {
      const measured = await inChild(run, count, folder);
      if (measured === undefined) {
        rows.push([formatCount(count), `${run} (out of memory)`, '', '', '', '']);
        continue;
      }
      const { status, rssMiB, cpuSeconds, seconds } = measured;
      if (run === 'first') first = rssMiB;
      const share = (rssMiB / first).toFixed(2);
      const times = [cpuSeconds, seconds].map((time) => `${time.toFixed(1)} s`);
      rows.push([formatCount(count), `${run} (${status})`, `${rssMiB.toFixed(0)} MiB`, share, ...times]);
    }
    rmSync(folder, { recursive: true });
  }
  console.log(formatColumns(rows, 'rlrrrr'));
}

async function inChild(run: Run, count: number, folder: string): Promise<Measured | undefined> {
  const child = fork(import.meta.filename, ['run', run, String(count), folder], { execArgv: LAMBDA_FLAGS });
  const [measured] = (await Promise.race([once(child, 'message'), once(child, 'exit').then(() => [])])) as [
    Measured?,
  ];
  return measured;
}

async function measureRun(run: Run, count: number, folder: string): Promise<void> {
  const settings = { ...DEFAULT_SETTINGS, targetSize: 500_000 };
  const began = performance.now();
  const store = new MadeUpStore(folder, count, run === 'late' || run === 'repack');
  const { status } = await rollUp(
    { source: SOURCE, destination: DESTINATION, repack: run === 'repack' },
    {
      store,
      settings,
      now: () => new Date(),
      report: () => undefined,
      hasTime: () => true,
      signal: new AbortController().signal,
    },
  );
  store.save();
  const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage();
  const seconds = (performance.now() - began) / 1000;
  if (process.send === undefined) console.log(status, maxRSS / 1024, (userCPUTime + systemCPUTime) / 1e6);
  process.send?.({ status, rssMiB: maxRSS / 1024, cpuSeconds: (userCPUTime + systemCPUTime) / 1e6, seconds });
}

/** What is kept of an output. */
interface Kept {
  size: number;
  etag: string;
  crc32: number;
}

class MadeUpStore implements Store {
  readonly #folder: string;
  readonly #count: number;
  readonly #late: boolean;
  readonly #outputs: Map<string, Kept>;

  constructor(folder: string, count: number, late: boolean) {
    this.#folder = folder;
    this.#count = count;
    this.#late = late;
    const state = join(folder, 'outputs.json');
    this.#outputs = new Map(
      existsSync(state) ? (JSON.parse(readFileSync(state, 'utf8')) as [string, Kept][]) : [],
    );
  }

  save(): void {
    writeFileSync(join(this.#folder, 'outputs.json'), JSON.stringify([...this.#outputs]));
  }

  async *list(
    { prefix }: { prefix: string },
    _signal?: AbortSignal,
    after = '',
  ): AsyncGenerator<ListedObject[]> {
    if (prefix === SOURCE.prefix) yield* this.#listRaw(after);
    else
      yield await Promise.resolve(
        [...this.#outputs]
          .map(([key, { size, etag }]) => ({ key, size, etag, lastModified: TIME }))
          .sort((a, b) => (a.key < b.key ? -1 : 1)),
      );
  }

  async *#listRaw(after: string): AsyncGenerator<ListedObject[]> {
    let page: ListedObject[] = [];
    for (let i = firstBehind(after, this.#count); i < this.#count; i++) {
      const keys = this.#late && i % LATE === 0 ? [keyOf(i), `${keyOf(i)}.late`] : [keyOf(i)];
      for (const key of keys) {
        if (key <= after) continue;
        page.push({ key, size: sizeOf(i), etag: etagOf(key.length * this.#count + i), lastModified: TIME });
        if (page.length < PAGE) continue;
        yield await Promise.resolve(page);
        page = [];
      }
    }
    if (page.length > 0) yield page;
  }

  head({ key }: ObjectAt): Promise<ObjectHead | undefined> {
    return Promise.resolve(this.#outputs.get(key));
  }

  getIfPresent(at: ObjectAt): Promise<{ body: Buffer; etag: string } | undefined> {
    const path = this.#pathOf(at);
    if (!existsSync(path)) return Promise.resolve(undefined);
    const body = readFileSync(path);
    return Promise.resolve({ body, etag: etagOf(crc32(body)) });
  }

  async getBounded(at: ObjectAt, most: number) {
    const path = this.#pathOf(at);
    if (!existsSync(path)) return undefined;
    const { size } = statSync(path);
    if (size <= most) return this.getIfPresent(at).then((found) => found && { ...found, size });
    return Promise.resolve({ body: undefined, size, etag: 'of a large file' });
  }

  read({ key, range, bucket }: ReadFrom, into: Buffer): Promise<Landed> {
    if (key.startsWith(SOURCE.prefix)) {
      into.fill(0x61);
      into[into.length - 1] = 0x0a;
    } else {
      const file = openSync(this.#pathOf({ bucket, key }), 'r');
      readSync(file, into, 0, into.length, range?.offset ?? 0);
      closeSync(file);
    }
    return Promise.resolve({ crc32: crc32(into), contentEncoding: undefined });
  }

  async *stream(from: ReadFrom): AsyncGenerator<Buffer> {
    const { size } = statSync(this.#pathOf(from));
    const into = Buffer.alloc(1024 * 1024);
    for (let offset = 0; offset < size; offset += into.length) {
      const chunk = into.subarray(0, Math.min(into.length, size - offset));
      await this.read({ ...from, range: { offset, length: chunk.length } }, chunk);
      yield chunk;
    }
  }

  put(at: ObjectAt, body: Buffer): Promise<{ etag: string }> {
    writeFileSync(this.#pathOf(at), body);
    return Promise.resolve({ etag: etagOf(crc32(body)) });
  }

  upload(at: ObjectAt, { body, crc32: crc }: UploadContent): Promise<Written> {
    const etag = etagOf(crc);
    this.#outputs.set(at.key, { size: body.length, etag, crc32: crc });
    return Promise.resolve({ etag, crc32: crc });
  }

  uploadStream(_at: ObjectAt, _chunks: AsyncIterable<Buffer>, _options: StreamOptions): Promise<Streamed> {
    return Promise.reject(new RollupError('S3Error', 'Nothing is streamed here.'));
  }

  canCopyFrom(): boolean {
    return true;
  }

  copy(): Promise<Written> {
    return Promise.reject(new RollupError('S3Error', 'Nothing is copied here.'));
  }

  delete(_bucket: string, keys: string[]): Promise<void> {
    for (const key of keys) this.#outputs.delete(key);
    return Promise.resolve();
  }

  deleteUnchanged() {
    return Promise.resolve([]);
  }

  listUploads() {
    return Promise.resolve([]);
  }

  abortUpload(): Promise<void> {
    return Promise.resolve();
  }

  #pathOf({ key }: ObjectAt): string {
    return join(this.#folder, key.slice(key.lastIndexOf('/') + 1));
  }
}

/** 100 bytes, in order. */
function keyOf(i: number): string {
  const id = String(i).padStart(9, '0');
  return `${SOURCE.prefix}${id}-i-${etagOf(i).slice(0, 17)}/application-logs-of-the-checkout-${id}.log`;
}

function sizeOf(i: number): number {
  return 1 + (i % 99);
}

/** 32 hexadecimal digits that do not compress. */
function etagOf(n: number): string {
  return [0x9e3779b1, 0x85ebca6b, 0xc2b2ae35, 0x27d4eb2f]
    .map((factor) => {
      let x = Math.imul(n + 1, factor);
      x = Math.imul(x ^ (x >>> 15), 0x2c1b3c6d);
      return ((x ^ (x >>> 12)) >>> 0).toString(16).padStart(8, '0');
    })
    .join('');
}

/** The first of the sources whose keys come behind this one, or one before it. */
function firstBehind(after: string, count: number): number {
  let [low, high] = [0, count];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (keyOf(middle) <= after) low = middle + 1;
    else high = middle;
  }
  return Math.max(0, low - 1);
}

const [mode, ...rest] = process.argv.slice(2);
if (mode === 'run') await measureRun(rest[0] as Run, Number(rest[1]), rest[2] ?? '');
else await measureAll([mode ?? '300000', ...rest].map(Number));

import {
  type Checksum,
  type FirstKeys,
  type Found,
  type ListedObject,
  type ObjectAt,
  type ObjectHead,
  type ReadFrom,
  type ReadResult,
  type Store,
  type Streamed,
  type Undeleted,
  type UploadContent,
  type Written,
  asCrc32,
  parseLocation,
} from '../../lambda/rollup/index.ts';
import {
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  readSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { RollupError } from '../../lambda/errors.ts';

export const SOURCE = parseLocation('s3://logs/raw/checkout/20261121/08/');
export const DESTINATION = parseLocation('s3://logs/aggregated/checkout/20261121/08/');

const PAGE = 1000;
/** One source in this many is followed by a late one. */
const LATE = 1000;
const TIME = '2026-11-21T08:12:34.000Z';

/** What is kept of an object under the destination. */
interface Kept {
  size: number;
  etag: string;
  checksum: Checksum;
}

/**
 * A store with an hour of very many small raw objects, which takes no memory: they are made up as they are listed and
 * read. The index and the manifest are files in a folder, and of outputs only size and checksum are kept.
 */
export class MadeUpStore implements Store {
  readonly service = undefined;
  readonly #folder: string;
  readonly #count: number;
  readonly #late: boolean;
  readonly #objects: Map<string, Kept>;

  /** @param late true if late objects are listed too */
  constructor(folder: string, count: number, late: boolean) {
    this.#folder = folder;
    this.#count = count;
    this.#late = late;
    const state = join(folder, 'outputs.json');
    this.#objects = new Map(
      existsSync(state) ? (JSON.parse(readFileSync(state, 'utf8')) as [string, Kept][]) : [],
    );
  }

  /** So that another process finds the outputs. */
  save(): void {
    writeFileSync(join(this.#folder, 'outputs.json'), JSON.stringify([...this.#objects]));
  }

  until(): this {
    return this;
  }

  listFirst(): Promise<FirstKeys> {
    return Promise.resolve({ keys: [], folders: [], hasMore: false });
  }

  keepsConditions(): Promise<boolean> {
    return Promise.resolve(true);
  }

  verifiesUploadsBy(): Promise<ReadonlySet<'crc32'>> {
    return Promise.resolve(new Set(['crc32'] as const));
  }

  keepsChanged(): Promise<boolean> {
    return Promise.resolve(true);
  }

  async *list(
    { prefix }: { prefix: string },
    _signal?: AbortSignal,
    after = '',
  ): AsyncGenerator<ListedObject[]> {
    if (prefix === SOURCE.prefix) yield* this.#listRaw(after);
    else
      yield await Promise.resolve(
        [...this.#objects]
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
    return Promise.resolve(this.#objects.get(key));
  }

  getIfPresent(at: ObjectAt): Promise<{ body: Buffer; etag: string } | undefined> {
    const path = this.#pathOf(at);
    if (!existsSync(path)) return Promise.resolve(undefined);
    const body = readFileSync(path);
    return Promise.resolve({ body, etag: etagOf(crc32(body)) });
  }

  async getBounded(at: ObjectAt, most: number): Promise<Found | undefined> {
    const path = this.#pathOf(at);
    if (!existsSync(path)) return undefined;
    const { size } = statSync(path);
    if (size <= most) return this.getIfPresent(at).then((found) => found && { ...found, size });
    return Promise.resolve({ body: undefined, size, etag: 'of a large file' });
  }

  read({ key, range, bucket }: ReadFrom, into: Buffer): Promise<ReadResult> {
    if (key.startsWith(SOURCE.prefix)) {
      into.fill(0x61);
      into[into.length - 1] = 0x0a;
    } else {
      const file = openSync(this.#pathOf({ bucket, key }), 'r');
      readSync(file, into, 0, into.length, range?.offset ?? 0);
      closeSync(file);
    }
    return Promise.resolve({ checksum: asCrc32(crc32(into)), contentEncoding: undefined });
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

  /** The bytes become a file, and the object is listed like an output. */
  put(at: ObjectAt, body: Buffer): Promise<{ etag: string }> {
    writeFileSync(this.#pathOf(at), body);
    const crc = crc32(body);
    const etag = etagOf(crc);
    this.#objects.set(at.key, { size: body.length, etag, checksum: asCrc32(crc) });
    return Promise.resolve({ etag });
  }

  upload(at: ObjectAt, { body, checksum }: UploadContent): Promise<Written> {
    const etag = etagOf(Number.parseInt(checksum.digits, 16));
    this.#objects.set(at.key, { size: body.length, etag, checksum });
    return Promise.resolve({ etag, checksum });
  }

  /** As `put`, for an index that memory does not hold. */
  async uploadStream(at: ObjectAt, chunks: AsyncIterable<Buffer>): Promise<Streamed> {
    const file = openSync(this.#pathOf(at), 'w');
    let [size, crc] = [0, 0];
    for await (const chunk of chunks) {
      size += writeSync(file, chunk);
      crc = crc32(chunk, crc);
    }
    closeSync(file);
    const etag = etagOf(crc);
    const checksum = asCrc32(crc);
    this.#objects.set(at.key, { size, etag, checksum });
    return { size, etag, checksum };
  }

  canCopyFrom(): boolean {
    return true;
  }

  copy(): Promise<Written> {
    return Promise.reject(new RollupError('S3Error', 'Nothing is copied here.'));
  }

  delete(_bucket: string, keys: string[]): Promise<void> {
    for (const key of keys) this.#objects.delete(key);
    return Promise.resolve();
  }

  deleteUnchanged(): Promise<Undeleted[]> {
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

/** The key of the i-th source: 100 bytes, ascending. */
export function keyOf(i: number): string {
  const id = String(i).padStart(9, '0');
  return `${SOURCE.prefix}${id}-i-${etagOf(i).slice(0, 17)}/application-logs-of-the-checkout-${id}.log`;
}

function sizeOf(i: number): number {
  return 1 + (i % 99);
}

/** An ETag of 32 hexadecimal digits that does not compress. */
function etagOf(n: number): string {
  return [0x9e3779b1, 0x85ebca6b, 0xc2b2ae35, 0x27d4eb2f]
    .map((factor) => {
      let x = Math.imul(n + 1, factor);
      x = Math.imul(x ^ (x >>> 15), 0x2c1b3c6d);
      return ((x ^ (x >>> 12)) >>> 0).toString(16).padStart(8, '0');
    })
    .join('');
}

/** Number of the first source whose key is behind this one, or of the one before it. */
function firstBehind(after: string, count: number): number {
  let [low, high] = [0, count];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (keyOf(middle) <= after) low = middle + 1;
    else high = middle;
  }
  return Math.max(0, low - 1);
}

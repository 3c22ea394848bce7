import { crc32, gunzipSync, zstdDecompressSync } from 'node:zlib';
import { createCRC64 } from 'hash-wasm';

/**
 * An independent reader of rollups: it knows the format of the manifest and S3, and nothing of the program. What it
 * finds wrong it says in words.
 */

/** A bucket, looked at from outside. */
export interface Bucket {
  get(key: string): Buffer | undefined;
  etag(key: string): string | undefined;
  keys(prefix: string): string[];
}

interface Manifest {
  version: 1 | 2 | 3;
  generation: number;
  totals: { objects: number; bytes: number; outputs: number; outputBytes: number };
  outputs: {
    key: string;
    size: number;
    etag: string;
    /** One of the two. */
    crc32?: string;
    crc64nvme?: string;
    sources: number;
    codec?: 'none' | 'gzip' | 'zstd';
    decoded?: { size: number; crc32: string };
  }[];
  sources: { key: string; count: number };
}

interface Line {
  key: string;
  etag: string;
  size: number;
  output: string;
  offset: number;
  length: number;
  encoding?: string;
  /** Bytes that were left out, since the output begins with them. */
  header?: number;
}

export interface SourceRange {
  manifest: Manifest;
  /** What is committed of every source: the bytes and the ETag they had. */
  sources: Map<string, { body: Buffer; etag: string }>;
  problems: string[];
}

const INFLATE = { none: (body: Buffer) => body, gzip: gunzipSync, zstd: zstdDecompressSync };
const digits = (body: Buffer): string => crc32(body).toString(16).padStart(8, '0');
const crc64nvme = await createCRC64('9a6c9329ac4bc9b5');
const digits64 = (body: Buffer): string => crc64nvme.init().update(body).digest();

const MANIFEST = '_manifest.json';
const NEWLINE = 0x0a;

export function readManifest(bucket: Bucket, prefix: string): Manifest | undefined {
  const body = bucket.get(prefix + MANIFEST);
  return body === undefined ? undefined : (JSON.parse(body.toString()) as Manifest);
}

export function readLines(bucket: Bucket, manifest: Manifest): Line[] | undefined {
  const body = bucket.get(manifest.sources.key);
  if (body === undefined) return undefined;
  const lines = gunzipSync(body).toString().split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Line);
}

/** Reads every byte of what is committed; undefined where nothing is. */
export function readRollup(bucket: Bucket, prefix: string): SourceRange | undefined {
  const manifest = readManifest(bucket, prefix);
  if (manifest === undefined) return undefined;
  const problems: string[] = [];
  const sources: SourceRange['sources'] = new Map();
  const lines = readLines(bucket, manifest);
  if (lines === undefined) return { manifest, sources, problems: [`${manifest.sources.key} is missing`] };

  let total = 0;
  for (const output of manifest.outputs) {
    const stored = bucket.get(output.key);
    if (stored === undefined) {
      problems.push(`${output.key} is missing`);
      continue;
    }
    total += stored.length;
    if (stored.length !== output.size) problems.push(`${output.key} has ${stored.length} bytes`);
    if (bucket.etag(output.key) !== output.etag) problems.push(`${output.key} has another ETag`);
    const isIntact =
      output.crc64nvme === undefined
        ? digits(stored) === output.crc32
        : digits64(stored) === output.crc64nvme;
    if (!isIntact) problems.push(`${output.key}: CRC`);
    // Of an output whose sources were decoded, all else is said of its text.
    const body = INFLATE[output.codec ?? 'none'](stored);
    if ((output.codec === undefined) !== (output.decoded === undefined))
      problems.push(`${output.key}: decoded`);
    if (output.decoded !== undefined) {
      const { size, crc32: text } = output.decoded;
      if (size !== body.length || text !== digits(body)) problems.push(`${output.key}: its text is another`);
    }
    const own = lines.filter((line) => line.output === output.key);
    if (own.length !== output.sources) problems.push(`${output.key} holds ${own.length} sources`);
    let end = 0;
    for (const { key, etag, offset, length, size, encoding, header = 0 } of own) {
      if (!endsAt(body, end, offset)) problems.push(`${key} begins at ${offset}, not ${end}`);
      if (header + length !== size && encoding === undefined)
        problems.push(`${key} has a frame of ${header} and ${length}, a size of ${size}`);
      if (header > offset) problems.push(`${key} has a header of ${header} at ${offset}`);
      if (header > 0 && manifest.version === 1) problems.push(`${key} has a header in version 1`);
      if (sources.has(key)) problems.push(`${key} is there twice`);
      end = offset + length;
      sources.set(key, {
        body: Buffer.concat([body.subarray(0, header), body.subarray(offset, end)]),
        etag,
      });
    }
    if (!endsAt(body, end, body.length)) problems.push(`${output.key} has bytes of no source`);
  }
  const indices = manifest.outputs.map(({ key }) => Number(/part-(\d+)-/.exec(key)?.[1]));
  if (indices.some((index, i) => i > 0 && index <= (indices[i - 1] ?? 0)))
    problems.push('outputs out of order');
  if (lines.length !== manifest.sources.count || sources.size !== lines.length)
    problems.push('sources do not add up');
  const { objects, outputs, outputBytes } = manifest.totals;
  if (objects !== lines.length || outputs !== manifest.outputs.length || outputBytes !== total)
    problems.push('totals do not add up');
  return { manifest, sources, problems };
}

/** One thing follows another, with a newline between at the most, where the first lacks it. */
function endsAt(body: Buffer, end: number, next: number): boolean {
  if (next === end) return true;
  return next === end + 1 && end > 0 && body[end] === NEWLINE && body[end - 1] !== NEWLINE;
}

/** Keys under the destination that are neither the manifest nor named by it. */
export function orphans(bucket: Bucket, prefix: string): string[] {
  const manifest = readManifest(bucket, prefix);
  const named =
    manifest === undefined ? [] : [manifest.sources.key, ...manifest.outputs.map(({ key }) => key)];
  const known = new Set([prefix + MANIFEST, ...named]);
  return bucket.keys(prefix).filter((key) => !known.has(key));
}

/** Looks on while others work: what is committed has to be there at every moment, and no source is ever forgotten. */
export class Watch {
  readonly #bucket: Bucket;
  readonly #prefix: string;
  #etag: string | undefined;
  #manifest: Manifest | undefined;
  #sources = new Set<string>();
  /** Commits that were seen. */
  commits = 0;
  readonly violations = new Set<string>();

  constructor(bucket: Bucket, prefix: string) {
    this.#bucket = bucket;
    this.#prefix = prefix;
  }

  /** The manifest is about to be deleted by somebody who may: what it named is nobody's any more. */
  forget(): void {
    this.#etag = undefined;
    this.#manifest = undefined;
    this.#sources = new Set();
  }

  check(): void {
    const etag = this.#bucket.etag(this.#prefix + MANIFEST);
    if (etag === undefined) {
      if (this.#etag !== undefined) this.violations.add('the manifest is gone');
      return;
    }
    if (etag !== this.#etag) this.#commit(etag);
    for (const { key, etag: committed } of this.#manifest?.outputs ?? []) {
      const now = this.#bucket.etag(key);
      if (now === undefined) this.violations.add(`${key} is committed and missing`);
      else if (now !== committed) this.violations.add(`${key} is committed and was overwritten`);
    }
  }

  #commit(etag: string): void {
    this.commits++;
    this.#etag = etag;
    this.#manifest = readManifest(this.#bucket, this.#prefix);
    const lines = this.#manifest && readLines(this.#bucket, this.#manifest);
    if (lines === undefined) {
      this.violations.add(`the index of commit ${this.commits} is missing`);
      return;
    }
    const now = new Set(lines.map(({ key }) => key));
    for (const key of this.#sources)
      if (!now.has(key)) this.violations.add(`${key} was committed and is lost`);
    this.#sources = now;
  }
}

import { z } from 'zod';
import { RollupError } from '../../errors.ts';
import { MiB } from '../../size.ts';
import type { SourceEncoding } from './encoding.ts';
import type { ListedObject } from './store.ts';

export const MANIFEST_NAME = '_manifest.json';
export const MANIFEST_VERSION = 1;

/**
 * Bytes of a manifest that is read or written: of an output it says some 350 bytes, so that 190,000 outputs fit, and
 * 50,000 whose keys are as long as S3 lets them be. To parse it takes some six times as much memory.
 */
export const MOST_MANIFEST = 64 * MiB;

const count = z.number().int().nonnegative();

const crc32Digits = z.string().regex(/^[0-9a-f]{8}$/);

const outputSchema = z.strictObject({
  key: z.string().min(1),
  size: count,
  etag: z.string().min(1),
  /** CRC-32 of the whole output, 8 hex digits. */
  crc32: crc32Digits,
  /** How many sources it holds. */
  sources: count,
  /** How it was written, where its sources were decoded. */
  codec: z.enum(['none', 'gzip', 'zstd']).optional(),
  /** Of its text, which the frames of its sources are of. */
  decoded: z.strictObject({ size: count, crc32: crc32Digits }).optional(),
});

const manifestSchema = z.strictObject({
  version: z.literal(MANIFEST_VERSION),
  generation: count,
  source: z.string(),
  destination: z.string(),
  createdAt: z.iso.datetime(),
  /** Of what shapes a rollup: sizes and the newline always, the rest where it is not the default. */
  settings: z.record(z.string(), z.json()),
  totals: z.strictObject({
    objects: count,
    bytes: count,
    outputs: count,
    outputBytes: count,
    skipped: z.strictObject({ empty: count, filtered: count }),
  }),
  outputs: z.array(outputSchema),
  sources: z.strictObject({ key: z.string(), count }),
});

/** `_manifest.json`: an hour is rolled up if and only if it exists. */
export type Manifest = z.infer<typeof manifestSchema>;
export type CommittedOutput = Manifest['outputs'][number];
/** One line of `_sources-<12 hex>.jsonl.gz`. */
export type CommittedSource = ListedObject & {
  output: string;
  offset: number;
  length: number;
  encoding?: SourceEncoding | undefined;
};

/** The sources of a commit, read as a stream as often as they are asked for. Throws `BadManifest` where the index is not sound. */
export interface SourcesReader {
  /** GETs that it takes to read the index once more. */
  readonly requests: number;
  /** ETag of the index. */
  readonly etag: string;
  /** As the index has them: by output and offset, some at a time. */
  stored(signal?: AbortSignal): AsyncIterable<StoredSource[]>;
  /** In key order, some at a time. `last`: they are not asked for again, and what is held for that can go. */
  inKeyOrder(options: { signal?: AbortSignal; last: boolean }): AsyncIterable<StoredSource[]>;
}

/** What is committed under a destination. */
export interface Rollup {
  manifest: Manifest;
  /** ETag of the manifest: what the next commit must find. */
  etag: string;
  sources: SourcesReader;
}

/**
 * When a manifest that replaces another was made, ISO 8601: later than that by a millisecond at least, whatever the
 * clock says. So no two manifests of an hour have the same bytes, and none of their ETags comes back.
 */
export function laterThan(previous: Pick<Manifest, 'createdAt'> | undefined, now: Date): string {
  const least = previous === undefined ? 0 : Date.parse(previous.createdAt) + 1;
  return new Date(Math.max(now.getTime(), least)).toISOString();
}

/** Keys of the objects that a manifest stands for: its outputs and their index of sources. */
export function namedKeys({ outputs, sources }: Manifest): string[] {
  return [...outputs.map(({ key }) => key), sources.key];
}

/** Throws `BadManifest`, `ManifestVersion`. */
export function parseManifest(body: Buffer, key: string): Manifest {
  const json = parseJson(body.toString('utf8'), key);
  const version = z.object({ version: z.number() }).safeParse(json).data?.version;
  if (version !== undefined && version > MANIFEST_VERSION) {
    throw new RollupError(
      'ManifestVersion',
      `${key} is of version ${version}; this program reads version ${MANIFEST_VERSION}. Use the release that wrote it, or a later one.`,
      { key },
    );
  }
  const parsed = manifestSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  throw badManifest(key, z.prettifyError(parsed.error).replaceAll('\n', ' '));
}

export function formatManifest(manifest: Manifest): Buffer {
  return Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`);
}

export function formatCrc32(crc32: number): string {
  return (crc32 >>> 0).toString(16).padStart(8, '0');
}

/** Throws `BadManifest`. */
export function parseJson(text: string, key: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw badManifest(key, 'it is not JSON', cause);
  }
}

export function badManifest(key: string, why: string, cause?: unknown): RollupError {
  return new RollupError(
    'BadManifest',
    `${key} was not written by this program, or was damaged: ${why}. Choose another destination, or move the object away.`,
    { key, cause },
  );
}

/** A source, and where its line is in the index: 0 is the first. */
export type StoredSource = CommittedSource & { ordinal: number };

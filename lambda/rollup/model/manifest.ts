import { z } from 'zod';
import { RollupError } from '../../errors.ts';
import { KiB, MiB } from '../../size.ts';
import type { SourceEncoding } from './encoding.ts';
import type { ListedObject } from './store.ts';

/** The name of a manifest below the prefix of its destination. */
export const MANIFEST_NAME = '_manifest.json';
/**
 * The versions of manifests. A manifest has the least version of which a reader knows every field that it and its index
 * have: version 2 counts what is hidden, and this program's own objects, among what was skipped, has headers in lines of
 * the index, and says that the sources stay in raw; version 3 has outputs with a CRC-64/NVME. See `versionOf`.
 */
const VERSIONS = [1, 2, 3] as const;
const LATEST = 3;

/**
 * Bytes of a manifest that is read or written, at most. An output takes some 350 bytes, so that 190,000 outputs fit, or
 * 50,000 whose keys are as long as S3 allows. Parsing takes some six times as much memory.
 */
export const MOST_MANIFEST = 64 * MiB;

/**
 * Bytes of a header that is left out of a source, at most: whoever reads such a source holds its header in memory. Longer
 * lines are no header, and stay.
 */
export const MOST_HEADER = 64 * KiB;

const count = z.number().int().nonnegative();

const crc32Digits = z.string().regex(/^[0-9a-f]{8}$/);

const outputFields = z.strictObject({
  key: z.string().min(1),
  size: count,
  etag: z.string().min(1),
  /** CRC-32 of the whole output, 8 hex digits. Present unless `crc64nvme` is. */
  crc32: crc32Digits.optional(),
  /** CRC-64/NVME of the whole output, 16 hex digits: that which S3 holds of it. */
  crc64nvme: z
    .string()
    .regex(/^[0-9a-f]{16}$/)
    .optional(),
  /** The number of sources in it. */
  sources: count,
  /** The format that it was written in; present if its sources were decoded. */
  codec: z.enum(['none', 'gzip', 'zstd']).optional(),
  /** Size and CRC-32 of its decoded text, in which the offsets of its sources are. */
  decoded: z.strictObject({ size: count, crc32: crc32Digits }).optional(),
});

const outputSchema = outputFields.refine(
  ({ crc32, crc64nvme }) => (crc32 === undefined) !== (crc64nvme === undefined),
  'An output has either crc32 or crc64nvme.',
);

const manifestSchema = z.strictObject({
  /** See `versionOf`. */
  version: z.literal(VERSIONS),
  generation: count,
  source: z.string(),
  destination: z.string(),
  createdAt: z.iso.datetime(),
  /** The settings that shape a rollup: sizes and the newline always, the others if they are not the default. */
  settings: z.record(z.string(), z.json()),
  /**
   * Present where the sources stay in raw, whatever the settings of a run say: a request asked for that, and none has said
   * otherwise since.
   */
  keepSource: z.literal(true).optional(),
  totals: z.strictObject({
    objects: count,
    bytes: count,
    outputs: count,
    outputBytes: count,
    skipped: z.strictObject({
      empty: count,
      filtered: count,
      /** Absent where there are none. */
      hidden: count.optional(),
      own: count.optional(),
    }),
  }),
  outputs: z.array(outputSchema),
  sources: z.strictObject({ key: z.string(), count }),
});

/** The content of `_manifest.json`. An hour is rolled up if and only if this object exists. */
export type Manifest = z.infer<typeof manifestSchema>;
/** An output in a manifest. */
export type CommittedOutput = Manifest['outputs'][number];
/**
 * A source in the index `_sources-<12 hex>.jsonl.gz`, one line of JSON: the object as it was listed, and its place in an
 * output.
 */
export type CommittedSource = ListedObject & {
  /** Key of the output. */
  output: string;
  /**
   * The range of the source's own bytes in the output, without a newline that was added; a range of the output's decoded
   * text if its sources were decoded.
   */
  offset: number;
  length: number;
  /** The format that the source was decoded from, if it was: then `length` is not `size`. */
  encoding?: SourceEncoding | undefined;
  /**
   * Bytes of the header lines that were left out, because they are those that the output begins with: the source is the
   * first `header` bytes of the output's text and the range. Absent where nothing was left out; `MOST_HEADER` at most.
   */
  header?: number | undefined;
};

/** Bytes of a source's text: its range in the output, and a header that was left out. */
export function wholeLength({ length, header = 0 }: Pick<CommittedSource, 'length' | 'header'>): number {
  return header + length;
}

/** A source with the number of its line in the index, from 0. */
export type StoredSource = CommittedSource & { ordinal: number };

/**
 * The sources of a commit, read from its index as a stream, as often as needed. Reading throws `BadManifest` if the index is
 * damaged or gone.
 */
export interface SourcesReader {
  /** The number of GETs that it takes to read the index once more. */
  readonly requests: number;
  /** ETag of the index. */
  readonly etag: string;
  /** The sources in the order of the index, by output and offset, in batches. */
  stored(signal?: AbortSignal): AsyncIterable<StoredSource[]>;
  /**
   * The sources in key order, in batches. `last`: they are not read in key order again, so that the memory which that
   * takes is freed as it is read.
   */
  inKeyOrder(options: { signal?: AbortSignal; last: boolean }): AsyncIterable<StoredSource[]>;
}

/** A commit: the manifest of a destination, and its sources. */
export interface Rollup {
  manifest: Manifest;
  /** ETag of the manifest. The next commit replaces it on the condition that it still has this ETag. */
  etag: string;
  /** User metadata of the manifest: what the run that committed took. See `RunFigures`. */
  metadata?: Readonly<Record<string, string>> | undefined;
  sources: SourcesReader;
}

/**
 * The time of a manifest that replaces another, ISO 8601: now, but at least a millisecond later than the other, whatever the
 * clock says. So no two manifests of an hour have the same bytes, and no ETag of one ever comes back.
 */
export function laterThan(previous: Pick<Manifest, 'createdAt'> | undefined, now: Date): string {
  const least = previous === undefined ? 0 : Date.parse(previous.createdAt) + 1;
  return new Date(Math.max(now.getTime(), least)).toISOString();
}

/** The keys of the objects that a manifest names: its outputs and their index of sources. */
export function namedKeys({ outputs, sources }: Manifest): string[] {
  return [...outputs.map(({ key }) => key), sources.key];
}

/**
 * Parses the bytes of a manifest.
 *
 * @param key the manifest's, for the error
 * @throws RollupError `BadManifest` if it is no manifest of this program, `ManifestVersion` if a later release wrote it
 */
export function parseManifest(body: Buffer, key: string): Manifest {
  const json = parseJson(body.toString('utf8'), key);
  const version = z.object({ version: z.number() }).safeParse(json).data?.version;
  if (version !== undefined && version > LATEST) {
    throw new RollupError(
      'ManifestVersion',
      `${key} is of version ${version}; this program reads versions 1 to ${LATEST}. Use the release that wrote it, or a later one.`,
      { key },
    );
  }
  const parsed = manifestSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const unknown = unknownFields(parsed.error);
  if (unknown !== undefined) throw writtenLater(key, unknown);
  throw badManifest(key, z.prettifyError(parsed.error).replaceAll('\n', ' '));
}

/** The names of unknown fields, if these are all that is wrong with a value; undefined otherwise. */
export function unknownFields({ issues }: z.ZodError): string[] | undefined {
  const names = new Set(issues.flatMap((issue) => (issue.code === 'unrecognized_keys' ? issue.keys : [])));
  return issues.every(({ code }) => code === 'unrecognized_keys') ? [...names].toSorted() : undefined;
}

/** The error for fields that this release does not know, in what is otherwise as this program writes it. */
export function writtenLater(key: string, fields: string[]): RollupError {
  const names = fields.map((name) => JSON.stringify(name)).join(', ');
  return new RollupError(
    'ManifestVersion',
    `${key} has fields that this release does not know: ${names}. A later release may have written it: use that one, or a later one, and leave the object where it is.`,
    { key },
  );
}

/** The version that a manifest must have, by what is in it and in its index. */
export function versionOf(
  { totals: { skipped }, keepSource, outputs }: Pick<Manifest, 'totals' | 'keepSource' | 'outputs'>,
  { hasHeaders }: { hasHeaders: boolean },
): Manifest['version'] {
  const { hidden, own } = skipped;
  if (outputs.some(({ crc64nvme }) => crc64nvme !== undefined)) return 3;
  return keepSource === undefined && hidden === undefined && own === undefined && !hasHeaders ? 1 : 2;
}

/**
 * `keepSource` of the next manifest: as a request asks for it (`deleteSource`), or else as it was.
 *
 * @param previous the current manifest; undefined where there is none
 */
export function keepSourceOf(
  { deleteSource }: { deleteSource?: boolean | undefined },
  previous: Pick<Manifest, 'keepSource'> | undefined,
): true | undefined {
  if (deleteSource === undefined) return previous?.keepSource;
  return deleteSource ? undefined : true;
}

/** The bytes of a manifest, as they are stored. */
export function formatManifest(manifest: Manifest): Buffer {
  return Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`);
}

/** Parses JSON that is in, or was named by, the object `key`. Throws `BadManifest` for a text that is none. */
export function parseJson(text: string, key: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw badManifest(key, 'it is not JSON', cause);
  }
}

/** The error for a manifest, or an index of sources, that is damaged or was written by somebody else. */
export function badManifest(key: string, why: string, cause?: unknown): RollupError {
  return new RollupError(
    'BadManifest',
    `${key} was not written by this program, or was damaged: ${why}. Choose another destination, or move the object away.`,
    { key, cause },
  );
}

import { RollupError, hasCode } from '../../errors.ts';
import { recordedSettings } from '../../settings/settings.ts';
import { type Settings } from '../../settings/table.ts';
import { asCrc32, isSame } from '../model/checksum/checksum.ts';
import { checksumOfObject } from '../model/checksum/stored-checksum.ts';
import { type Location, type ObjectAt, formatLocation } from '../model/location.ts';
import {
  type CommittedOutput,
  MANIFEST_NAME,
  MOST_MANIFEST,
  type Manifest,
  type Rollup,
  formatManifest,
  laterThan,
  versionOf,
} from '../model/manifest.ts';
import { type Skipped, indexOf } from '../model/output.ts';
import type { Store, WriteCondition } from '../model/store.ts';
import { type FinishedIndex, INDEX_TYPE, type SourcesIndex, indexUpload } from './sources-index.ts';

export interface CommitInput {
  store: Store;
  source: Location;
  destination: Location;
  settings: Settings;
  /** See `Manifest`. */
  keepSource: true | undefined;
  generation: number;
  skipped: Skipped;
  /** Outputs that stay as they are. */
  sealed: CommittedOutput[];
  /** New outputs. */
  added: CommittedOutput[];
  /** The index of all sources. */
  index: SourcesIndex;
  /** The commit that the plan was made from, which must still be the current one; undefined where there was none. */
  previous: Rollup | undefined;
  now: Date;
  /** User metadata of the manifest. */
  metadata?: Readonly<Record<string, string>> | undefined;
  signal: AbortSignal;
}

export type CommitOutcome =
  | { status: 'committed'; manifest: Manifest; etags: { manifest: string; index: string } }
  /** Another run committed first. `sourcesKey`: the index that this run wrote in vain. */
  | { status: 'lost'; sourcesKey: string };

/**
 * Writes `_sources`, then the manifest, on the condition that the current manifest is still the one that the plan was made
 * from. S3 decides between two runs; nothing else does. Between the two writes it looks for the index and every new
 * output: the plan may be hours old, and a store may have confirmed a write that did not happen.
 *
 * @throws RollupError `OutputMissing` where one of them does not exist as it was written; `InvalidArgument` where the
 *   manifest would be too large to be read again
 */
export async function putManifest(input: CommitInput): Promise<CommitOutcome> {
  const { store, destination, previous } = input;
  const { bucket, prefix } = destination;
  const index = await input.index.end();
  const sourcesKey = prefix + index.name;
  const manifest = manifestOf(input, sourcesKey);
  const body = formatManifest(manifest);
  if (body.length > MOST_MANIFEST) throw tooLarge(prefix + MANIFEST_NAME, body.length, manifest);

  const etag = await putIndex(store, { bucket, key: sourcesKey }, index, input.signal);
  await requireStored(store, destination, [...input.added, { key: sourcesKey, etag }]);
  try {
    const condition = previous === undefined ? 'absent' : { etag: previous.etag };
    const at = { bucket, key: prefix + MANIFEST_NAME };
    const put = await store.put(at, body, 'application/json', condition, input.metadata);
    return { status: 'committed', manifest, etags: { manifest: put.etag, index: etag } };
  } catch (error) {
    if (!hasCode(error, 'PreconditionFailed', 'Conflict')) throw error;
    // The response to a request that was retried may have been lost: then the current manifest is this run's.
    const current = await store.getBounded({ bucket, key: prefix + MANIFEST_NAME }, body.length);
    if (current?.body?.equals(body) === true)
      return { status: 'committed', manifest, etags: { manifest: current.etag, index: etag } };
    return { status: 'lost', sourcesKey };
  }
}

/** Attempts at the index, where others write it at the same time. */
const INDEX_ATTEMPTS = 3;

/**
 * Writes the index and returns its ETag. Its name is a digest of what it says, so one that exists with the same bytes is
 * left as it is: another run may look for it, or have committed it, under the ETag that it has.
 */
async function putIndex(
  store: Store,
  at: ObjectAt,
  index: FinishedIndex,
  signal: AbortSignal,
): Promise<string> {
  const { body } = index;
  if (body === undefined) return uploadIndex(store, at, index, signal);
  let condition: WriteCondition = 'absent';
  for (let attempt = 1; ; attempt++) {
    try {
      return (await store.put(at, body, INDEX_TYPE, condition)).etag;
    } catch (error) {
      if (attempt === INDEX_ATTEMPTS || !hasCode(error, 'PreconditionFailed', 'Conflict')) throw error;
      const existing = await store.getBounded(at, body.length);
      if (existing?.body?.equals(body) === true) return existing.etag;
      condition = existing === undefined ? 'absent' : { etag: existing.etag };
    }
  }
}

/** As `putIndex`, for an index that is uploaded in parts: one that exists is looked for first. */
async function uploadIndex(
  store: Store,
  at: ObjectAt,
  { size, crc32, chunks }: FinishedIndex,
  signal: AbortSignal,
): Promise<string> {
  const options = indexUpload();
  for (let attempt = 1; ; attempt++) {
    try {
      const existing = await store.head(at);
      if (existing?.size === size) {
        const { etag } = existing;
        const stored = await checksumOfObject(store, { ...at, etag }, existing, 'crc32', signal);
        if (isSame(stored, asCrc32(crc32))) return etag;
      }
      return (await store.uploadStream(at, chunks(), options, signal)).etag;
    } catch (error) {
      if (attempt === INDEX_ATTEMPTS || !hasCode(error, ...BEGIN_ANEW)) throw error;
    }
  }
}

/** Failures of an upload in parts that ends with it, and those of an existing index that somebody replaces just then. */
const BEGIN_ANEW = ['Conflict', 'NoSuchUpload', 'OutputMissing', 'SourceChanged', 'SourceVanished'] as const;

/** The error for a manifest that no run could read again: see `MOST_MANIFEST`. */
function tooLarge(key: string, bytes: number, { outputs }: Manifest): RollupError {
  const message = `${key} would have ${bytes} bytes for ${outputs.length} outputs, and may have ${MOST_MANIFEST}. Raise targetSize, or group into fewer folders; nothing was committed.`;
  return new RollupError('InvalidArgument', message, { key });
}

/** Throws `OutputMissing` if one of the objects is not in the destination as it was written. */
async function requireStored(
  store: Store,
  destination: Location,
  written: { key: string; etag: string }[],
): Promise<void> {
  const missing = new Map(written.map((object) => [object.key, object]));
  for await (const page of store.list(destination))
    for (const { key, etag } of page) if (missing.get(key)?.etag === etag) missing.delete(key);
  // Not every store lists an object that was just written.
  for (const { key, etag } of missing.values()) {
    if ((await store.head({ bucket: destination.bucket, key }))?.etag === etag) continue;
    const message = `${key} was written, and is not there any more as it was. Run again: what is written is kept.`;
    throw new RollupError('OutputMissing', message, { key });
  }
}

function manifestOf(input: CommitInput, sourcesKey: string): Manifest {
  const { source, destination, settings, keepSource, generation, skipped, index, previous, now } = input;
  const outputs = [...input.sealed, ...input.added].toSorted((a, b) => indexOf(a.key) - indexOf(b.key));
  const totals = {
    objects: index.count,
    bytes: index.bytes,
    outputs: outputs.length,
    outputBytes: outputs.reduce((sum, { size }) => sum + size, 0),
    skipped,
  };
  return {
    version: versionOf({ totals, keepSource, outputs }, index),
    generation,
    source: formatLocation(source),
    destination: formatLocation(destination),
    createdAt: laterThan(previous?.manifest, now),
    settings: recordedSettings(settings),
    ...(keepSource === undefined ? {} : { keepSource }),
    totals,
    outputs,
    sources: { key: sourcesKey, count: index.count },
  };
}

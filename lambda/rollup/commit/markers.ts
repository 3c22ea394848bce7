import { RollupError, hasCode } from '../../errors.ts';
import type { Location, ObjectAt } from '../model/location.ts';
import { isSame } from '../model/checksum/checksum.ts';
import { MANIFEST_NAME, type Manifest } from '../model/manifest.ts';
import { readManifest } from '../committed/read-manifest.ts';
import type { ListedObject, ReadFrom, Store, WriteCondition } from '../model/store.ts';
import { INDEX_TYPE, indexUpload } from './sources-index.ts';
import { MOST_HELD } from './spool.ts';

/** The empty object by which Hadoop marks a folder as complete. */
export const SUCCESS_NAME = '_SUCCESS';
/** The list of outputs that Hive's SymlinkTextInputFormat reads: the `s3://` URI of every output, one a line. */
export const SYMLINKS_NAME = '_symlink_format_manifest/manifest';
/**
 * A copy of the index of sources. Its own name does not begin with an underscore, so that a table over it can be defined;
 * its folder's does, so that it is not read as a log.
 */
export const SOURCES_NAME = '_sources/sources.jsonl.gz';

/** Attempts at the lists: each begins anew where another run committed or wrote a list meanwhile. */
const ATTEMPTS = 5;

/** The markers that are to be written. */
export interface WantedMarkers {
  success: boolean;
  symlinks: boolean;
}

/** Characters that a reader of the list ends a line at. The list has no way to escape them. */
const LINE_BREAK = /[\r\n]/;

/**
 * Refuses settings that ask for a list of outputs in a destination whose outputs could not be named in one.
 *
 * @throws RollupError `InvalidArgument` if `symlinkManifest` is set and the destination has a line break
 */
export function refuseUnlistable(
  { bucket, prefix }: Location,
  { symlinkManifest }: { symlinkManifest: boolean },
): void {
  if (!symlinkManifest || !LINE_BREAK.test(prefix)) return;
  const uri = `s3://${bucket}/${prefix}`;
  throw new RollupError(
    'InvalidArgument',
    `Destination ${uri} has a line break, which would make two lines of every output in the list that symlinkManifest asks for. Give another destination, or leave the list out.`,
  );
}

/**
 * Decides which markers are to be written.
 *
 * @param present the objects of the destination. A list of outputs that exists is kept up to date, whether asked for or
 *   not: it would name outputs that are deleted.
 */
export function wantedMarkers(
  { successMarker, symlinkManifest }: { successMarker: boolean; symlinkManifest: boolean },
  { prefix }: Location,
  present: ReadonlyMap<string, ListedObject>,
): WantedMarkers {
  return {
    success: successMarker && !present.has(prefix + SUCCESS_NAME),
    symlinks: symlinkManifest || present.has(prefix + SYMLINKS_NAME),
  };
}

/**
 * Writes the objects that readers which do not know the manifest go by, where they do not agree with it already. Each
 * write is on the condition that it replaces the object that was read before the manifest, and afterwards the manifest is
 * looked at once more: so of two runs the one that knows the later commit has the last word.
 *
 * @throws RollupError `Conflict` where other runs came in between too often; `InvalidArgument` where an output's key has a
 *   line break
 */
export async function publishMarkers(
  store: Store,
  destination: Location,
  wanted: WantedMarkers,
  signal: AbortSignal,
): Promise<void> {
  const { bucket, prefix } = destination;
  if (wanted.success)
    await putIf(store, { bucket, key: prefix + SUCCESS_NAME }, Buffer.alloc(0), 'text/plain', 'absent');
  if (!wanted.symlinks) return;
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++)
    if (await publishLists(store, destination, signal)) return;
  throw new RollupError(
    'Conflict',
    `Other runs wrote ${prefix + SYMLINKS_NAME} or committed meanwhile, ${ATTEMPTS} times. Run again once they have ended.`,
    { key: prefix + SYMLINKS_NAME },
  );
}

/** Writes the list of outputs and the copy of the index. False if another run came in between. */
async function publishLists(
  store: Store,
  { bucket, prefix }: Location,
  signal: AbortSignal,
): Promise<boolean> {
  const at = (name: string) => ({ bucket, key: prefix + name });
  const symlinks = await store.getIfPresent(at(SYMLINKS_NAME));
  const copy = await store.head(at(SOURCES_NAME));
  const current = await readManifest(store, { bucket, prefix });
  if (current === undefined) return false;
  const { manifest } = current;

  const body = formatSymlinks(manifest, bucket);
  const isListed = symlinks === undefined ? body.length === 0 : symlinks.body.equals(body);
  if (!isListed && !(await putIf(store, at(SYMLINKS_NAME), body, 'text/plain', conditionOf(symlinks))))
    return false;

  const { key } = manifest.sources;
  const index = copy && (await store.head({ bucket, key }));
  const isCopied = copy !== undefined && copy.size === index?.size && isSame(copy.checksum, index.checksum);
  if (!isCopied) {
    const original = await store.getBounded({ bucket, key }, MOST_HELD);
    if (original === undefined) return false;
    const { body, etag } = original;
    const isWritten =
      body === undefined
        ? await copyIf(store, { bucket, key, etag }, at(SOURCES_NAME), conditionOf(copy), signal)
        : await putIf(store, at(SOURCES_NAME), body, INDEX_TYPE, conditionOf(copy));
    if (!isWritten) return false;
  }
  return (await store.head(at(MANIFEST_NAME)))?.etag === current.etag;
}

/** The list of outputs. Without outputs it is empty, and not written where there is none: Hive fails on an empty list. */
function formatSymlinks({ outputs }: Manifest, bucket: string): Buffer {
  const key = outputs.find((output) => LINE_BREAK.test(output.key))?.key;
  if (key !== undefined) {
    throw new RollupError(
      'InvalidArgument',
      `${key} cannot be named in a list of outputs: a line break in its name would make two lines of it. Repack the hour with another --group-by, or into a destination without one.`,
      { key },
    );
  }
  return Buffer.from(outputs.map(({ key }) => `s3://${bucket}/${key}\n`).join(''));
}

function conditionOf(found: { etag: string } | undefined): WriteCondition {
  return found === undefined ? 'absent' : { etag: found.etag };
}

/** Writes an object; false if the condition does not hold. */
function putIf(
  store: Store,
  at: ObjectAt,
  body: Buffer,
  contentType: string,
  condition: WriteCondition,
): Promise<boolean> {
  return isDone(store.put(at, body, contentType, condition));
}

/** Copies an index that is larger than memory holds, as a stream; false if the condition does not hold, or it went away. */
function copyIf(
  store: Store,
  from: ReadFrom,
  to: ObjectAt,
  condition: WriteCondition,
  signal: AbortSignal,
): Promise<boolean> {
  const options = { ...indexUpload(), condition };
  return isDone(store.uploadStream(to, store.stream(from, signal), options, signal));
}

/** Waits for a write; false if its condition did not hold, or if its answer was lost and nobody knows. */
async function isDone(write: Promise<unknown>): Promise<boolean> {
  try {
    await write;
    return true;
  } catch (error) {
    if (hasCode(error, ...NOT_DONE)) return false;
    throw error;
  }
}

/** Failures after which the next look tells what is there. */
const NOT_DONE = [
  'PreconditionFailed',
  'Conflict',
  'SourceVanished',
  'SourceChanged',
  'NoSuchUpload',
  'OutputMissing',
] as const;

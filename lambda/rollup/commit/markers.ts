import { RollupError, hasCode } from '../../errors.ts';
import type { Location } from '../model/location.ts';
import { MANIFEST_NAME, type Manifest } from '../model/manifest.ts';
import { readManifest } from '../committed/read-manifest.ts';
import type { ListedObject, Store, WriteCondition } from '../model/store.ts';

/** Hadoop's sign that a folder is complete. */
export const SUCCESS_NAME = '_SUCCESS';
/** What SymlinkTextInputFormat reads: the `s3://` URI of every output, one a line. */
export const SYMLINKS_NAME = '_symlink_format_manifest/manifest';
/** The index of sources under a name that does not begin with an underscore, in a folder that does: a table of it can be defined. */
export const SOURCES_NAME = '_sources/sources.jsonl.gz';

/** How often it begins anew because another run committed, or wrote one of them, meanwhile. */
const ATTEMPTS = 5;

export interface Wanted {
  success: boolean;
  symlinks: boolean;
}

/** The list has no way to escape them, and readers end a line at either. */
const LINE_BREAK = /[\r\n]/;

/** Throws `InvalidArgument` where the list of outputs is asked for and could not name one. */
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

/** A list of outputs that is there is kept true, whether asked for or not: it would name what is deleted. */
export function wantedMarkers(
  { successMarker, symlinkManifest }: { successMarker: boolean; symlinkManifest: boolean },
  { prefix }: Location,
  present: ReadonlyMap<string, ListedObject>,
): Wanted {
  return {
    success: successMarker && !present.has(prefix + SUCCESS_NAME),
    symlinks: symlinkManifest || present.has(prefix + SYMLINKS_NAME),
  };
}

/**
 * Writes what readers that do not know the manifest go by, where it does not say the same as the manifest already.
 * Each write is on the condition that what it replaces is what was there before the manifest was read, and afterwards
 * the manifest is looked at once more: so of two runs the one that knows the later commit has the last word.
 */
export async function publishMarkers(store: Store, destination: Location, wanted: Wanted): Promise<void> {
  const { bucket, prefix } = destination;
  if (wanted.success)
    await putIf(store, { bucket, key: prefix + SUCCESS_NAME }, Buffer.alloc(0), 'text/plain', 'absent');
  if (!wanted.symlinks) return;
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) if (await publishLists(store, destination)) return;
  throw new RollupError(
    'Conflict',
    `Other runs wrote ${prefix + SYMLINKS_NAME} or committed meanwhile, ${ATTEMPTS} times. Run again once they have ended.`,
    { key: prefix + SYMLINKS_NAME },
  );
}

/** False where something came in between. */
async function publishLists(store: Store, { bucket, prefix }: Location): Promise<boolean> {
  const at = (name: string) => ({ bucket, key: prefix + name });
  const symlinks = await store.getIfPresent(at(SYMLINKS_NAME));
  const copy = await store.head(at(SOURCES_NAME));
  const standing = await readManifest(store, { bucket, prefix });
  if (standing === undefined) return false;
  const { manifest } = standing;

  const body = formatSymlinks(manifest, bucket);
  const isListed = symlinks === undefined ? body.length === 0 : symlinks.body.equals(body);
  if (!isListed && !(await putIf(store, at(SYMLINKS_NAME), body, 'text/plain', conditionOf(symlinks))))
    return false;

  const { key } = manifest.sources;
  const index = copy && (await store.head({ bucket, key }));
  const isCopied = copy !== undefined && copy.size === index?.size && copy.crc32 === index.crc32;
  if (!isCopied || copy.crc32 === undefined) {
    const original = await store.getIfPresent({ bucket, key });
    if (original === undefined) return false;
    if (!(await putIf(store, at(SOURCES_NAME), original.body, 'application/gzip', conditionOf(copy))))
      return false;
  }
  return (await store.head(at(MANIFEST_NAME)))?.etag === standing.etag;
}

/** An hour without outputs has an empty one, which is not written by itself: Hive fails on a list of nothing. */
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

/** False where the condition does not hold. */
async function putIf(
  store: Store,
  at: { bucket: string; key: string },
  body: Buffer,
  contentType: string,
  condition: WriteCondition,
): Promise<boolean> {
  try {
    await store.put(at, body, contentType, condition);
    return true;
  } catch (error) {
    if (hasCode(error, 'PreconditionFailed', 'Conflict', 'SourceVanished')) return false;
    throw error;
  }
}

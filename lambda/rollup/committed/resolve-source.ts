import { asFolder, isFolder, type Location, formatLocation } from '../model/location.ts';
import type { Manifest } from '../model/manifest.ts';
import type { RunWarning } from '../model/run.ts';
import type { Store } from '../model/store.ts';
import { ofAnotherSource } from './read-committed.ts';

/** Keys of a page of a listing: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html */
const PAGE = 1000;
/** Behind every key that can follow a slash. */
const LAST = '\u{10ffff}';

/** A source whose prefix is known to be a folder, or to take in keys beside one. */
export interface ResolvedSource {
  source: Location;
  warnings: RunWarning[];
  /** LIST requests that it took. */
  lists: number;
}

/**
 * Says what a source prefix takes in that is written without a slash at its end. Where every key that it takes in lies in
 * the folder of that name, it is that folder: `s3://b/raw/08` -> `s3://b/raw/08/`, as earlier releases read it, with the
 * names of its keys behind the slash. Otherwise it is what is written, and if there is such a folder among its keys, a
 * warning says so. Nothing is asked for a folder, nor for a prefix that is committed as it is written.
 *
 * @param committed the current manifest of the destination, which is of this source or of its folder, or is empty
 * @throws RollupError `ManifestOfAnotherSource` where the folder is committed and keys lie beside it
 */
export async function resolveSource(
  raw: Store,
  source: Location,
  destination: Location,
  committed: Manifest | undefined,
  signal: AbortSignal,
): Promise<ResolvedSource> {
  const asWritten = { source, warnings: [], lists: 0 };
  if (isFolder(source.prefix)) return asWritten;
  const folder = asFolder(source);
  const isFolderCommitted = committed?.source === formatLocation(folder);
  const hasCommit = committed !== undefined && committed.totals.objects > 0;
  if (hasCommit && !isFolderCommitted) return asWritten;
  const { inside, beside, lists } = await lookAround(raw, source, folder, signal);
  if (beside === undefined) {
    // Of nothing at all, an empty commit says whether it was taken for a folder.
    const isEmpty = inside === undefined && !isFolderCommitted;
    return { ...asWritten, source: isEmpty ? source : folder, lists };
  }
  const folderUri = formatLocation(folder);
  if (hasCommit) {
    const why = `${formatLocation(source)} takes in ${beside} too: write ${folderUri} for the folder alone`;
    throw ofAnotherSource(committed.source, source, destination, why);
  }
  if (inside === undefined) return { ...asWritten, lists };
  const message = `${formatLocation(source)} takes in what is in the folder (${inside}) and what is beside it (${beside}). For the folder alone, write ${folderUri}.`;
  return { source, warnings: [{ code: 'FolderAndBeside', message, key: beside }], lists };
}

/** A key in the folder and a key beside it, where the prefix takes in such keys. */
async function lookAround(
  raw: Store,
  source: Location,
  folder: Location,
  signal: AbortSignal,
): Promise<{ inside: string | undefined; beside: string | undefined; lists: number }> {
  const listed = await firstPage(raw, source, signal);
  // A console's mark of a folder is no source.
  const page = listed.filter(({ size }) => size > 0);
  let inside = page.find(({ key }) => key.startsWith(folder.prefix))?.key;
  let beside = page.find(({ key }) => !key.startsWith(folder.prefix))?.key;
  if (inside !== undefined && beside === undefined) {
    const [behind] = await firstPage(raw, source, signal, folder.prefix + LAST);
    beside = behind?.key;
    return { inside, beside, lists: 2 };
  }
  // A page that is not full is the last.
  if (inside !== undefined || listed.length < PAGE) return { inside, beside, lists: 1 };
  inside = (await firstPage(raw, folder, signal))[0]?.key;
  return { inside, beside, lists: 2 };
}

async function firstPage(raw: Store, at: Location, signal: AbortSignal, after?: string) {
  for await (const page of raw.list(at, signal, after)) return page;
  return [];
}

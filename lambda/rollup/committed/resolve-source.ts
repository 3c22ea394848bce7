import { asFolder, isFolder, type Location, formatLocation } from '../model/location.ts';
import type { Manifest } from '../model/manifest.ts';
import type { RollupRequest, RunWarning } from '../model/run.ts';
import type { ListedObject, Store } from '../model/store.ts';
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
 * names of its keys behind the slash; empty objects beside it, such as `raw/08_$folder$`, do not count. Otherwise it is
 * what is written, and if there is such a folder among its keys, a warning says so. Nothing is asked for a folder, for a
 * prefix that is committed as it is written, nor for a request that says `asWritten`.
 *
 * @param committed the current manifest of the destination, which is of this source or of its folder, or is empty
 * @throws RollupError `ManifestOfAnotherSource` where the folder is committed and keys lie beside it
 */
export async function resolveSource(
  raw: Store,
  { source, destination, asWritten: isAsWritten = false }: RollupRequest,
  committed: Manifest | undefined,
  signal: AbortSignal,
): Promise<ResolvedSource> {
  const asWritten = { source, warnings: [], lists: 0 };
  if (isAsWritten || isFolder(source.prefix)) return asWritten;
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

/** What lies under a prefix. */
interface Around {
  /** Key of an object in the folder. */
  inside?: string | undefined;
  /** Key of an object beside the folder that is not empty. */
  beside?: string | undefined;
  /** LIST requests that it took. */
  lists: number;
}

async function lookAround(
  raw: Store,
  source: Location,
  folder: Location,
  signal: AbortSignal,
): Promise<Around> {
  const around: Around = { lists: 0 };
  let isFull = false;
  for await (const page of raw.list(source, signal)) {
    look(page, folder, around);
    isFull = page.length === PAGE;
    if (around.inside !== undefined || around.beside !== undefined) break;
  }
  if (around.inside !== undefined && around.beside === undefined) {
    for await (const page of raw.list(source, signal, folder.prefix + LAST)) {
      if (look(page, folder, around).beside !== undefined) break;
    }
  }
  // The folder is only named in a warning: a page that is not full is taken for the last.
  if (around.inside === undefined && around.beside !== undefined && isFull) {
    for await (const page of raw.list(folder, signal)) {
      look(page, folder, around);
      break;
    }
  }
  return { ...around, lists: Math.max(1, around.lists) };
}

/** Adds what a page of a listing says. */
function look(page: ListedObject[], { prefix }: Location, around: Around): Around {
  around.lists++;
  around.inside ??= page.find(({ key }) => key.startsWith(prefix))?.key;
  around.beside ??= page.find(({ key, size }) => size > 0 && !key.startsWith(prefix))?.key;
  return around;
}

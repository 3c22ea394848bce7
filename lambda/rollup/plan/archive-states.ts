import pLimit from 'p-limit';
import { allOrFirstFailure } from '../../concurrency.ts';
import type { StoredSource } from '../model/manifest.ts';
import type { Pair } from '../model/side-by-side.ts';
import type { ListedObject, Store } from '../model/store.ts';
import { isArchived, isSame } from './reconcile.ts';

/**
 * Days without access after which S3 Intelligent-Tiering archives an object, where a bucket asks for that. Its listing does
 * not tell: https://docs.aws.amazon.com/AmazonS3/latest/userguide/intelligent-tiering-overview.html
 */
const DAYS_TO_ARCHIVE = 90;
const DAY_MS = 24 * 60 * 60 * 1000;

/** The store and bucket of the source, and the bound of requests at once. */
export interface ArchiveContext {
  store: Store;
  bucket: string;
  concurrency: number;
  signal: AbortSignal;
}

/**
 * Asks for each archived object whether it was restored, which a listing does not tell: one HEAD each, and none where there
 * is nothing archived. https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
 *
 * @param isWanted false for objects that are not to be read
 */
export function askRestored(
  objects: ListedObject[],
  isWanted: (object: ListedObject) => boolean,
  context: ArchiveContext,
): Promise<ListedObject[]> {
  return mapSome(objects, (object) => isArchived(object) && isWanted(object), ask, context);
}

/**
 * Does the same for objects beside what is committed. A committed source that is archived is read from its output, and not
 * asked for. Whether one in S3 Intelligent-Tiering is archived is asked only for a repack, which reads all of raw, and where
 * it is old enough; otherwise it is taken for archived then.
 */
export function askRestoredPairs(
  pairs: Pair<ListedObject, StoredSource>[],
  isWanted: (object: ListedObject) => boolean,
  { repack, now, ...context }: ArchiveContext & { repack: boolean; now: Date },
): Promise<Pair<ListedObject, StoredSource>[]> {
  const before = now.getTime() - DAYS_TO_ARCHIVE * DAY_MS;
  const isPerhapsArchived = ({ storageClass, lastModified }: ListedObject): boolean =>
    storageClass === 'INTELLIGENT_TIERING' && Date.parse(lastModified) < before;
  return mapSome(
    pairs,
    ([object, committed]) => {
      if (object === undefined || !isWanted(object)) return false;
      const isCommitted = committed !== undefined && isSame(object, committed);
      return isCommitted ? isPerhapsArchived(object) : isArchived(object);
    },
    async ([object, committed], within): Promise<Pair<ListedObject, StoredSource>> => {
      if (object === undefined) return [object, committed];
      const isCommitted = committed !== undefined && isSame(object, committed);
      if (isCommitted && !repack) return [{ ...object, archive: 'archived' }, committed];
      return [await ask(object, within), committed];
    },
    context,
  );
}

/** A pair whose object, where it is committed, is read from its output: as if it were archived. */
export function fromOutput([object, committed]: Pair<ListedObject, StoredSource>): Pair<
  ListedObject,
  StoredSource
> {
  if (object === undefined || committed === undefined || !isSame(object, committed))
    return [object, committed];
  return [{ ...object, archive: 'archived' }, committed];
}

async function ask(object: ListedObject, { store, bucket }: ArchiveContext): Promise<ListedObject> {
  const head = await store.head({ bucket, key: object.key });
  return head?.archive === undefined ? object : { ...object, archive: head.archive };
}

/** Maps those of the items that are picked, several at once; returns all of them in their order. */
async function mapSome<T>(
  items: T[],
  isPicked: (item: T) => boolean,
  map: (item: T, context: ArchiveContext) => Promise<T>,
  context: ArchiveContext,
): Promise<T[]> {
  const picked = items.map(isPicked);
  if (!picked.includes(true)) return items;
  const stop = new AbortController();
  const signal = AbortSignal.any([context.signal, stop.signal]);
  const limit = pLimit(context.concurrency);
  const mapped = items.map((item, i) =>
    picked[i] === true
      ? limit(() => {
          signal.throwIfAborted();
          return map(item, context);
        })
      : Promise.resolve(item),
  );
  return allOrFirstFailure(mapped, stop);
}

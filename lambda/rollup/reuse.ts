import { type AssembleContext, type Assembled, finished } from './assemble.ts';
import { largestSize, parseAdded, readFrames } from './frames.ts';
import type { PlannedOutput } from './pack.ts';
import type { ObjectHead } from './store.ts';

/**
 * An output that is in the destination already, from a run that ended early: by its key. S3 writes are atomic, and the
 * key is a digest of all that goes in, so what is there is complete. Undefined where it is not there.
 */
export async function findFinished(
  output: PlannedOutput,
  {
    store,
    destination,
    present,
    signal,
  }: Pick<AssembleContext, 'store' | 'destination' | 'present' | 'signal'>,
): Promise<Assembled | undefined> {
  const listed = present?.get(output.key);
  if (present !== undefined && listed === undefined) return undefined;
  const at = { bucket: destination.bucket, key: output.key };
  const head = await store.head(at);
  if (head === undefined || head.size < output.size || head.size > largestSize(output)) return undefined;
  if (listed !== undefined && (head.size !== listed.size || head.etag !== listed.etag)) return undefined;
  const { etag, size, crc32 } = head;
  const added = addedTo(output, head);
  // Where neither its size nor its metadata tells which newlines were added, its bytes do.
  const known =
    crc32 !== undefined && added !== undefined
      ? { crc32, added }
      : await readFrames(output, store.stream({ ...at, etag }, signal));
  return known && finished(output, 'reused', size, { etag, crc32: known.crc32 }, known.added);
}

/** Which sources of a finished output were followed by an added newline, as far as its headers tell. */
function addedTo(output: PlannedOutput, { size, metadata = {} }: ObjectHead): boolean[] | undefined {
  const count = size - output.size;
  if (count === 0 || size === largestSize(output)) return output.pieces.map(() => count > 0);
  const added = parseAdded(metadata, output.pieces.length);
  return added?.filter(Boolean).length === count ? added : undefined;
}

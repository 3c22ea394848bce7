import { type AssembleContext, type Assembled, finished } from './assemble.ts';
import { largestSize, readFrames } from './frames.ts';
import type { PlannedOutput } from './pack.ts';

/**
 * An output that is in the destination already, from a run that ended early: by its key. S3 writes are atomic, and the
 * key is a digest of all that goes in, so what is there is complete. Undefined where it is not there.
 */
export async function findFinished(
  output: PlannedOutput,
  { store, destination, present }: AssembleContext,
): Promise<Assembled | undefined> {
  const listed = present.get(output.key);
  if (listed === undefined || listed.size < output.size || listed.size > largestSize(output))
    return undefined;
  const at = { bucket: destination.bucket, key: output.key };
  const head = await store.head(at);
  if (head === undefined || head.size !== listed.size || head.etag !== listed.etag) return undefined;
  const all = listed.size > output.size;
  const told = listed.size === output.size || listed.size === largestSize(output);
  // Its size tells which newlines were added where it is all or none of them; otherwise its bytes do.
  const known =
    head.crc32 !== undefined && told
      ? { crc32: head.crc32, added: output.pieces.map(() => all) }
      : await readFrames(output, store.stream({ ...at, etag: head.etag }));
  if (known === undefined) return undefined;
  return finished(output, 'reused', head.size, { etag: head.etag, crc32: known.crc32 }, known.added);
}

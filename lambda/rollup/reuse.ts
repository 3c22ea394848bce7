import pLimit from 'p-limit';
import { type AssembleContext, type Assembled, allOrFirstFailure, describe, finished } from './assemble.ts';
import { largestSize, readFrames } from './frames.ts';
import type { PlannedOutput } from './pack.ts';
import type { ListedObject } from './store.ts';

/**
 * Outputs that are in the destination already, from a run that ended early: by their key. S3 writes are atomic,
 * and the key is a digest of all that goes in, so what is there is complete.
 */
export async function findFinished(
  outputs: PlannedOutput[],
  present: Map<string, ListedObject>,
  { store, destination, settings, report }: AssembleContext,
): Promise<Map<PlannedOutput, Assembled>> {
  const limit = pLimit(settings.concurrency);
  const found = new Map<PlannedOutput, Assembled>();

  async function inspect(output: PlannedOutput, listed: ListedObject): Promise<void> {
    if (listed.size < output.size || listed.size > largestSize(output)) return;
    const at = { bucket: destination.bucket, key: output.key };
    const head = await store.head(at);
    if (head === undefined || head.size !== listed.size || head.etag !== listed.etag) return;
    const all = listed.size > output.size;
    const told = listed.size === output.size || listed.size === largestSize(output);
    // Its size tells which newlines were added where it is all or none of them; otherwise its bytes do.
    const known =
      head.crc32 !== undefined && told
        ? { crc32: head.crc32, added: output.pieces.map(() => all) }
        : await readFrames(output, store.stream({ ...at, etag: head.etag }));
    if (known === undefined) return;
    const written = { etag: head.etag, crc32: known.crc32 };
    found.set(output, finished(output, 'reused', head.size, written, known.added));
  }

  const stop = new AbortController();
  const inspections = outputs.map((output) =>
    limit(async () => {
      const listed = present.get(output.key);
      if (listed !== undefined && !stop.signal.aborted) await inspect(output, listed);
    }),
  );
  await allOrFirstFailure(inspections, stop);
  for (const [output, assembled] of found) {
    report({ type: 'landed', objects: output.pieces.length, bytes: output.size });
    report({ type: 'output', ...describe(assembled) });
  }
  return found;
}

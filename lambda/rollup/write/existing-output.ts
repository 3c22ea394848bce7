import { maxSidecarSize, parseSidecar, sidecarKeyOf } from '../codec/sidecar.ts';
import { asCrc32 } from '../model/checksum/checksum.ts';
import type { PlannedOutput, WrittenOutput } from '../model/output.ts';
import type { ListedObject, ObjectHead } from '../model/store.ts';
import { checksumOfObject } from '../model/checksum/stored-checksum.ts';
import { type WriteContext } from './context.ts';
import { largestSize, parseAdded, readOffsets } from './source-offsets.ts';
import { writtenOutput, writtenText } from './written-output.ts';

type FindContext = Pick<WriteContext, 'store' | 'destination' | 'present' | 'signal'>;

/**
 * Finds an output that a run which ended early left in the destination: by its key, a digest of all that goes in, and
 * its size. S3 writes are atomic, so an object that a run wrote is complete; that a run wrote it is not proven here.
 *
 * @returns the output as it would be committed, not proven; undefined where there is no such object
 * @throws RollupError as `Store.head` and `Store.stream` do
 */
export async function findExisting(
  output: PlannedOutput,
  context: FindContext,
): Promise<WrittenOutput | undefined> {
  const { store, destination, present } = context;
  const at = { bucket: destination.bucket, key: output.key };
  const listed = present?.get(output.key);
  if (present !== undefined && listed === undefined) return undefined;
  const head = await store.head(at);
  if (head === undefined) return undefined;
  return output.mode === 'encode'
    ? findEncoded(output, context, listed, head)
    : findAssembled(output, context, listed, head);
}

/** An output of sources as they are, or a copy: its size bounds what it can hold. */
async function findAssembled(
  output: PlannedOutput,
  { store, destination, signal }: FindContext,
  listed: ListedObject | undefined,
  head: ObjectHead,
): Promise<WrittenOutput | undefined> {
  if (head.size < output.size || head.size > largestSize(output)) return undefined;
  if (listed !== undefined && (head.size !== listed.size || head.etag !== listed.etag)) return undefined;
  const { etag, size, checksum } = head;
  const added = addedTo(output, head);
  if (checksum !== undefined && added !== undefined) {
    return writtenOutput(output, 'reused', size, { etag, checksum }, added);
  }
  // Its headers lack the checksum or do not tell which newlines were added; its bytes do.
  const from = { bucket: destination.bucket, key: output.key, etag };
  const read = await readOffsets(output, store.stream(from, signal));
  const computed = read && asCrc32(read.crc32);
  return (
    computed && writtenOutput(output, 'reused', size, { etag, checksum: checksum ?? computed }, read.added)
  );
}

/** For each source, true if a newline was added behind it; undefined where size and metadata do not tell. */
function addedTo(output: PlannedOutput, { size, metadata = {} }: ObjectHead): boolean[] | undefined {
  const count = size - output.size;
  if (count === 0 || size === largestSize(output)) return output.pieces.map(() => count > 0);
  const added = parseAdded(metadata, output.pieces.length);
  return added?.filter(Boolean).length === count ? added : undefined;
}

/** An output that was encoded is found with its sidecar alone, which says what its sources were decoded to. */
async function findEncoded(
  output: PlannedOutput,
  { store, destination, signal }: FindContext,
  listed: ListedObject | undefined,
  head: ObjectHead,
): Promise<WrittenOutput | undefined> {
  if (!isEncodedAs(output, head)) return undefined;
  if (listed !== undefined && head.etag !== listed.etag) return undefined;
  const { bucket } = destination;
  const sidecarAt = { bucket, key: sidecarKeyOf(output.key, destination) };
  const sidecar = await store.getBounded(sidecarAt, maxSidecarSize(output));
  const text = sidecar?.body && (await parseSidecar(sidecar.body, output));
  if (text === undefined) return undefined;
  const from = { bucket, key: output.key, etag: head.etag };
  const checksum = await checksumOfObject(store, from, head, head.checksum?.algorithm ?? 'crc32', signal);
  const stored = { ...head, checksum };
  return writtenText(output, 'reused', stored, text);
}

/** Metadata of an output that is written with an encoding: the output's key tells what went in, and this how it is stored. */
export function encodingMetadata({ encoding }: PlannedOutput): Record<string, string> {
  return encoding === undefined ? {} : { 'rollup-codec': `${encoding.codec}-${encoding.level}` };
}

/** True if an object under the output's key is the output, though perhaps with the bytes of another release of zlib. */
export function isEncodedAs(output: PlannedOutput, { metadata = {} }: ObjectHead): boolean {
  return Object.entries(encodingMetadata(output)).every(([name, value]) => metadata[name] === value);
}

import { mostSidecar, parseSidecar, sidecarKeyOf } from '../codec/sidecar.ts';
import { crc32 } from '../model/crc32.ts';
import type { PlannedOutput } from '../model/output.ts';
import { type WrittenOutput } from '../model/output.ts';
import type { ObjectHead, ReadFrom, Store } from '../model/store.ts';
import { type WriteContext } from './context.ts';
import { largestSize, parseAdded, readOffsets } from './source-offsets.ts';
import { writtenOutput, writtenText } from './written-output.ts';

/**
 * An output that is in the destination already, from a run that ended early: by its key, a digest of all that goes in,
 * and its size. S3 writes are atomic, so what a run left there is complete; that it was a run is not proven by it.
 * Undefined where it is not there.
 */
export async function findExisting(
  output: PlannedOutput,
  context: Pick<WriteContext, 'store' | 'destination' | 'present' | 'signal'>,
): Promise<WrittenOutput | undefined> {
  if (output.mode === 'encode') return findExistingEncoded(output, context);
  const { store, destination, present, signal } = context;
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
      : await readOffsets(output, store.stream({ ...at, etag }, signal));
  return known && writtenOutput(output, 'reused', size, { etag, crc32: known.crc32 }, known.added);
}

/** Which sources of a writtenOutput output were followed by an added newline, as far as its headers tell. */
function addedTo(output: PlannedOutput, { size, metadata = {} }: ObjectHead): boolean[] | undefined {
  const count = size - output.size;
  if (count === 0 || size === largestSize(output)) return output.pieces.map(() => count > 0);
  const added = parseAdded(metadata, output.pieces.length);
  return added?.filter(Boolean).length === count ? added : undefined;
}

/** An output that was encoded counts as writtenOutput with its sidecar alone: what its sources were decoded to is told there. */
async function findExistingEncoded(
  output: PlannedOutput,
  { store, destination, present, signal }: Pick<WriteContext, 'store' | 'destination' | 'present' | 'signal'>,
): Promise<WrittenOutput | undefined> {
  const listed = present?.get(output.key);
  if (present !== undefined && listed === undefined) return undefined;
  const { bucket } = destination;
  const at = { bucket, key: output.key };
  const head = await store.head(at);
  if (head === undefined || !isEncodedAs(output, head)) return undefined;
  if (listed !== undefined && head.etag !== listed.etag) return undefined;
  const sidecarAt = { bucket, key: sidecarKeyOf(output.key, destination) };
  const sidecar = await store.getBounded(sidecarAt, mostSidecar(output));
  const text = sidecar?.body && (await parseSidecar(sidecar.body, output));
  if (text === undefined) return undefined;
  const stored = { ...head, crc32: await storedCrc32(store, { ...at, etag: head.etag }, head, signal) };
  return writtenText(output, 'reused', stored, text);
}

/** Metadata of what is written with an encoding: its key tells what went in, and this that it is no other's. */
export function encodingMetadata({ encoding }: PlannedOutput): Record<string, string> {
  return encoding === undefined ? {} : { 'rollup-codec': `${encoding.codec}-${encoding.level}` };
}

/** Whether an object under the output's key is the output, its bytes being those of another release of zlib perhaps. */
export function isEncodedAs(output: PlannedOutput, { metadata = {} }: ObjectHead): boolean {
  return Object.entries(encodingMetadata(output)).every(([name, value]) => metadata[name] === value);
}

/** From the object's headers; from its bytes where the store keeps no CRC-32. */
export async function storedCrc32(
  store: Store,
  from: ReadFrom,
  head: Pick<ObjectHead, 'crc32'>,
  signal: AbortSignal,
): Promise<number> {
  if (head.crc32 !== undefined) return head.crc32;
  let crc = 0;
  for await (const chunk of store.stream(from, signal)) crc = crc32(chunk, crc);
  return crc;
}

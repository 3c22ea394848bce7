import { RollupError, hasCode } from '../../errors.ts';
import type { Settings } from '../../settings/table.ts';
import { asStream } from '../codec/byte-reader.ts';
import { decode } from '../codec/decode.ts';
import { type FirstRead, FormatMistaken, corrupt, formatOfSource } from '../codec/source-format.ts';
import { endOf } from '../codec/whole.ts';
import {
  type Algorithm,
  type Checksum,
  type Crc,
  asCrc32,
  checksumOf,
  crcBy,
  isSame,
} from '../model/checksum/checksum.ts';
import { originsOf } from '../model/endpoints.ts';
import { nameOf } from '../model/format.ts';
import type { Kind } from '../model/kind.ts';
import type { ReadOptions } from '../model/store.ts';
import { type Piece, type PlannedOutput, type WrittenOutput, isFromRaw } from '../model/output.ts';
import { otherBytes } from '../model/checksum/stored-checksum.ts';
import { type Arrived, algorithmFor, damagedOf, inAlgorithm } from './arrived-checksums.ts';
import { type WriteContext, type WriteResources } from './context.ts';
import { checksumsOf, closeLines, formatAdded, isInParts, largestSize, offsetsOf } from './source-offsets.ts';
import { writtenOutput } from './written-output.ts';

/**
 * Writes an output of sources as they are: downloads each to its place in a buffer, adds the newlines that are lacking,
 * and uploads the buffer. Throws as `Store.read` and `Store.upload` do.
 *
 * Where the store verifies what is uploaded, the checksums that S3 has of the sources are trusted: combined, they are what
 * the upload is verified by, so that every byte is proven from S3 to S3 and none is looked at in between. Bytes that prove to
 * be others are downloaded again, and then each source is checked as it arrives.
 *
 * @param unproven an existing output that stays if it has the size and the checksum of what was assembled
 */
export async function assemble(
  output: PlannedOutput,
  context: WriteContext,
  resources: WriteResources,
  unproven: WrittenOutput | undefined,
): Promise<WrittenOutput> {
  const { store, destination, report, settings } = context;
  const inParts = isInParts(output, settings);
  const verified = await store.verifiesUploadsBy(destination, { inParts });
  return resources.buffers.use(largestSize(output), async (buffer) => {
    const parts = { output, context, resources, unproven, buffer, verified };
    try {
      return await assembleIn({ ...parts, trusted: verified.has('crc32') });
    } catch (error) {
      const isDamaged = error instanceof RollupError && error.code === 'ChecksumMismatch';
      if (!verified.has('crc32') || !isDamaged || resources.signal.aborted) throw error;
      const { key = output.key, message } = error;
      report({ type: 'damaged', key, message });
      // What is read now was counted before.
      return assembleIn({ ...parts, context: { ...context, report: () => undefined }, trusted: false });
    }
  });
}

/** Arguments of `assembleIn`. */
interface Assembling {
  output: PlannedOutput;
  context: WriteContext;
  resources: WriteResources;
  unproven: WrittenOutput | undefined;
  buffer: Buffer;
  /** By which checksums the store verifies what is uploaded. */
  verified: ReadonlySet<Algorithm>;
  /** True if the checksums that S3 has of sources are taken for those of their bytes. */
  trusted: boolean;
}

/** Throws `ChecksumMismatch` also for bytes that turn out not to have the checksum that was trusted, and names the source. */
async function assembleIn(assembling: Assembling): Promise<WrittenOutput> {
  const { output, context, resources, unproven, buffer, verified, trusted } = assembling;
  const { store, destination, settings } = context;
  const { partSize } = settings;
  const checksums = await downloadSources(assembling);
  const { length, added } = closeLines(buffer, output);
  const sources = offsetsOf(output, added);
  const body = buffer.subarray(0, length);
  const arrived: Arrived = { body, sources, checksums, trusted };
  const crc = await crcBy(algorithmFor(checksums, output, verified));
  const own = await inAlgorithm(crc, arrived);
  const { checksum, partChecksums } = checksumsOf(crc, body, sources, own, partSize);

  if (unproven?.output.size === length && (await isSameAs(unproven, arrived, { crc, checksum }))) {
    const whole = { etag: unproven.output.etag, checksum: checksumOf(unproven.output) };
    const reused = writtenOutput(output, 'reused', length, whole, added);
    return { ...reused, proven: isFromRaw(output) };
  }
  const content = { body, checksum, partSize, partChecksums, metadata: formatAdded(added) };
  const at = { bucket: destination.bucket, key: output.key };
  try {
    const written = await store.upload(at, content, resources.signal);
    return writtenOutput(output, 'written', length, written, added);
  } catch (error) {
    const [damaged] = hasCode(error, 'ChecksumMismatch') ? await damagedOf(arrived) : [];
    throw damaged === undefined ? error : otherBytes(damaged.key, error);
  }
}

/**
 * True if an existing output has the checksum of a body. Where that is of another algorithm it is computed; throws
 * `ChecksumMismatch` if the bytes of a source are others than they should be.
 */
async function isSameAs(
  { output }: WrittenOutput,
  arrived: Arrived,
  { crc, checksum }: { crc: Crc; checksum: Checksum },
): Promise<boolean> {
  const existing = checksumOf(output);
  if (existing.algorithm === crc.algorithm) return isSame(existing, checksum);
  const [damaged] = await damagedOf(arrived);
  if (damaged !== undefined) throw otherBytes(damaged.key);
  return isSame((await crcBy(existing.algorithm)).of(arrived.body), existing);
}

/** Downloads every source to its place in the buffer, one behind another; returns the checksum that each arrived with. */
async function downloadSources({
  buffer,
  output,
  context,
  resources: { downloads, signal },
  trusted,
}: Assembling): Promise<Checksum[]> {
  const arrived: Checksum[] = [];
  function* tasks(): Generator<() => Promise<void>> {
    let offset = 0;
    for (const [i, piece] of output.pieces.entries()) {
      const place = buffer.subarray(offset, (offset += piece.source.size));
      const read = async (options: ReadOptions): Promise<void> => {
        let checksum: Checksum | undefined;
        let at = 0;
        let contentEncoding: string | undefined;
        for (const { store, from } of originsOf(piece, context)) {
          const into = place.subarray(at, at + (from.range?.length ?? place.length));
          const result = await store.read(from, into, signal, options);
          // Ranges have CRC-32s, of which a source that lies in two places is put together.
          checksum =
            checksum === undefined
              ? result.checksum
              : (await crcBy('crc32')).combine(checksum, result.checksum, into.length);
          at += into.length;
          ({ contentEncoding } = result);
        }
        await checkFormat(piece, output, { bytes: place, contentEncoding }, context.settings);
        arrived[i] = checksum ?? asCrc32(0);
      };
      yield async () => {
        signal.throwIfAborted();
        try {
          await read({ trusted });
        } catch (error) {
          // What is said of a source is said of its proven bytes.
          if (!trusted || !hasCode(error, 'FormatMistaken', 'SourceCorrupt', 'SourceNotJoinable'))
            throw error;
          await read({ trusted: false });
        }
        context.report({ type: 'read', objects: 1, bytes: place.length });
      };
    }
  }
  await downloads.all(tasks());
  return arrived;
}

/**
 * Checks that a source which has arrived is of the kind of its output, and that what is joined behind it can be read. Throws
 * `FormatMistaken`, `SourceCorrupt` or `SourceNotJoinable`.
 */
async function checkFormat(
  piece: Piece,
  output: PlannedOutput,
  first: FirstRead,
  settings: Pick<Settings, 'sourceFormat' | 'newline'>,
): Promise<void> {
  const { key } = piece.source;
  const { kind, pieces } = output;
  const format = formatOfSource(piece, first, settings);
  if (format.kind !== kind) throw new FormatMistaken(key, nameOf(format), nameOf({ kind }));
  // Behind a source alone nothing is joined. One that has left raw, and was joined by an earlier release though its end is
  // cut, cannot be mended any more: what follows it is not deleted from raw (see `proveKind`).
  const isLost = piece.from !== undefined && kind !== 'gzip';
  if (pieces.length > 1 && !isLost) await requireWhole(key, kind, first.bytes);
}

/** Throws `SourceCorrupt` or `SourceNotJoinable` for a source behind whose end something lies, or that has none. */
async function requireWhole(key: string, kind: Kind, body: Buffer): Promise<void> {
  const end = endOf(kind, body);
  if (end === 'cut')
    throw corrupt(key, `does not end as ${kind}: it is cut short, or something lies behind its end`);
  if (end === 'whole') return;
  let isPadded = false;
  const text = decode('gzip', asStream(body), key, () => {
    isPadded = true;
  });
  while ((await text.next()).done !== true);
  if (!(isPadded as boolean)) return;
  const message = `${key} has zeros behind its last gzip member, and what is joined behind them could not be read. Use the codec gzip, which skips them.`;
  throw new RollupError('SourceNotJoinable', message, { key });
}

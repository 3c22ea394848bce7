import { RollupError, hasCode } from '../../errors.ts';
import type { Settings } from '../../settings/table.ts';
import { asStream } from '../codec/byte-reader.ts';
import { decode } from '../codec/decode.ts';
import { type FirstRead, FormatMistaken, corrupt, formatOfSource } from '../codec/source-format.ts';
import { endOf } from '../codec/whole.ts';
import { otherBytes } from '../model/checksum.ts';
import { combineCrc32, crc32 } from '../model/crc32.ts';
import { originsOf } from '../model/endpoints.ts';
import { nameOf } from '../model/format.ts';
import type { Kind } from '../model/kind.ts';
import { type CommittedSource, formatCrc32 } from '../model/manifest.ts';
import type { ReadOptions } from '../model/store.ts';
import { type Piece, type PlannedOutput, type WrittenOutput, isFromRaw } from '../model/output.ts';
import { type WriteContext, type WriteResources } from './context.ts';
import { closeLines, formatAdded, largestSize, offsetsOf, partCrcsOf } from './source-offsets.ts';
import { writtenOutput } from './written-output.ts';

/**
 * Writes an output of sources as they are: downloads each to its place in a buffer, adds the newlines that are lacking,
 * and uploads the buffer. Throws as `Store.read` and `Store.upload` do.
 *
 * Where the store verifies what is uploaded, the checksums that S3 has of the sources are trusted: combined, they are what
 * the upload is verified by, so that every byte is proven from S3 to S3 and none is looked at in between. Bytes that prove to
 * be others are downloaded again, and then each source is checked as it arrives.
 *
 * @param unproven an existing output that stays if it has the size and the CRC-32 of what was assembled
 */
export async function assemble(
  output: PlannedOutput,
  context: WriteContext,
  resources: WriteResources,
  unproven: WrittenOutput | undefined,
): Promise<WrittenOutput> {
  const { store, destination, report } = context;
  const trusted = await store.verifiesUploads(destination);
  return resources.buffers.use(largestSize(output), async (buffer) => {
    const parts = { output, context, resources, unproven, buffer };
    try {
      return await assembleIn({ ...parts, trusted });
    } catch (error) {
      const isDamaged = error instanceof RollupError && error.code === 'ChecksumMismatch';
      if (!trusted || !isDamaged || resources.signal.aborted) throw error;
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
  /** True if the checksums that S3 has of sources are taken for those of their bytes. */
  trusted: boolean;
}

/** Throws `ChecksumMismatch` also for bytes that turn out not to have the checksum that was trusted, and names the source. */
async function assembleIn(assembling: Assembling): Promise<WrittenOutput> {
  const { output, context, resources, unproven, buffer, trusted } = assembling;
  const { store, destination, settings } = context;
  const { partSize } = settings;
  const crcs = await downloadSources(assembling);
  const { length, crc32: crc, added } = closeLines(buffer, output, crcs);
  if (unproven?.output.size === length && unproven.output.crc32 === formatCrc32(crc)) {
    const whole = { etag: unproven.output.etag, crc32: crc };
    const reused = writtenOutput(output, 'reused', length, whole, added);
    return { ...reused, proven: isFromRaw(output) };
  }
  const sources = offsetsOf(output, added);
  const body = buffer.subarray(0, length);
  // The store verifies a part by the checksums of the sources in it: of a source that lies in two, both are computed here.
  const [cut] = trusted ? damagedOf(body, sources, crcs, partSize) : [];
  if (cut !== undefined) throw otherBytes(cut.key);
  const partCrcs = partCrcsOf(buffer, length, sources, crcs, partSize);
  const content = { body, crc32: crc, partSize, partCrcs, metadata: formatAdded(added) };
  const at = { bucket: destination.bucket, key: output.key };
  try {
    const written = await store.upload(at, content, resources.signal);
    return writtenOutput(output, 'written', length, written, added);
  } catch (error) {
    const [damaged] = trusted && hasCode(error, 'ChecksumMismatch') ? damagedOf(body, sources, crcs) : [];
    throw damaged === undefined ? error : otherBytes(damaged.key, error);
  }
}

/** Downloads every source to its place in the buffer, one behind another; returns the CRC-32 of each. */
async function downloadSources({
  buffer,
  output,
  context,
  resources: { downloads, signal },
  trusted,
}: Assembling): Promise<number[]> {
  const crcs = new Array<number>(output.pieces.length).fill(0);
  function* tasks(): Generator<() => Promise<void>> {
    let offset = 0;
    for (const [i, piece] of output.pieces.entries()) {
      const place = buffer.subarray(offset, (offset += piece.source.size));
      const read = async (options: ReadOptions): Promise<void> => {
        let crc = 0;
        let at = 0;
        let contentEncoding: string | undefined;
        for (const { store, from } of originsOf(piece, context)) {
          const into = place.subarray(at, at + (from.range?.length ?? place.length));
          const result = await store.read(from, into, signal, options);
          crc = combineCrc32(crc, result.crc32, into.length);
          at += into.length;
          ({ contentEncoding } = result);
        }
        await checkFormat(piece, output, { bytes: place, contentEncoding }, context.settings);
        crcs[i] = crc;
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
  return crcs;
}

/**
 * Sources in an output whose bytes do not have their CRC-32.
 *
 * @param partSize given to look at those alone that lie in more than one part
 */
function damagedOf(
  body: Buffer,
  sources: CommittedSource[],
  crcs: number[],
  partSize?: number,
): CommittedSource[] {
  return sources.filter(({ offset, length }, i) => {
    const end = offset + length;
    const isCut =
      partSize === undefined || Math.floor(offset / partSize) !== Math.floor((end - 1) / partSize);
    return isCut && length > 0 && crc32(body.subarray(offset, end)) !== crcs[i];
  });
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

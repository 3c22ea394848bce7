import { RollupError } from '../../errors.ts';
import { MOST_PARTS, PARTS_IN_FLIGHT } from '../../settings/settings.ts';
import { type Settings } from '../../settings/table.ts';
import { MiB, formatSize } from '../../size.ts';
import { RunningChecksum, crcBy, isSame } from '../model/checksum/checksum.ts';
import { originsOf } from '../model/endpoints.ts';
import type { Piece, PlannedOutput } from '../model/output.ts';
import type { Written } from '../model/store.ts';
import { otherBytes } from '../model/checksum/stored-checksum.ts';
import type { WriteContext, WriteResources } from './context.ts';
import { type SourceRange, download, rangesOf } from './ranges.ts';
import { readAhead } from './read-ahead.ts';

/** The parts in a streamed copy's memory that are being uploaded; the others are being downloaded. */
const PARTS_UPLOADED = PARTS_IN_FLIGHT / 2;

/** Bytes of a part of a streamed copy, if the part size is no less and outputs are of 32 MiB. */
const USUAL_PART = 8 * MiB;

/**
 * The sizes, in bytes, in which a source is streamed: `range` of each download, `part` of each part of the upload, and the
 * memory for either, which is together that of an output unless the source is very large.
 */
export function streamedCopySizes(size: number, settings: Pick<Settings, 'targetSize' | 'partSize'>) {
  const { targetSize, partSize } = settings;
  const each = Math.min(partSize, Math.max(USUAL_PART, Math.floor(targetSize / PARTS_IN_FLIGHT)));
  // Very large sources need larger parts, of which S3 takes no more than 10,000.
  const part = Math.max(each, Math.ceil(size / MOST_PARTS / MiB) * MiB);
  return {
    range: Math.floor(each / 2),
    part,
    download: PARTS_UPLOADED * each,
    upload: Math.max(PARTS_UPLOADED * each, part),
  };
}

/**
 * Copies a large source, as it is, where S3 cannot be asked to: downloads ranges that are pinned to its ETag and uploads
 * them as parts, in the memory of an output.
 *
 * @throws RollupError as `Store.read` and `Store.uploadStream` do; `ChecksumMismatch` where the bytes have another
 *   checksum than S3 holds of the source; `InvalidArgument` where the part size is too small for it
 */
export function streamCopy(
  output: PlannedOutput,
  context: WriteContext,
  { buffers, downloads, signal }: WriteResources,
): Promise<Written> {
  const { store, destination, settings } = context;
  const [piece] = output.pieces as [Piece];
  const { range, part, upload, download: ahead } = streamedCopySizes(output.size, settings);
  if (part > PARTS_UPLOADED * settings.partSize) throw tooLarge(piece.source.key, output.size, settings);
  return buffers.use(upload + ahead, async (buffer) => {
    const uploadMemory = buffer.subarray(0, upload);
    const downloadMemory = buffer.subarray(upload, upload + ahead);
    const stop = new AbortController();
    const stopped = AbortSignal.any([stop.signal, signal]);
    const read = (range: SourceRange, into: Buffer) => download(downloads, range, into, stopped);
    const ranges = readAhead(rangesOf(piece, context, range), downloadMemory, read);
    const [origin] = originsOf(piece, context);
    // The checksum that S3 holds is that of a whole object.
    const isWhole = origin !== undefined && origin.from.range === undefined;
    const expected = isWhole ? (await origin.store.head(origin.from))?.checksum : undefined;
    const crc = await crcBy(expected?.algorithm ?? 'crc32');
    async function* bytes(): AsyncGenerator<Buffer> {
      const sum = new RunningChecksum(crc);
      try {
        for (let next = await ranges.next(); next.done !== true; next = await ranges.next()) {
          const { bytes: chunk, checksum } = next.value;
          sum.add(chunk, checksum);
          yield chunk;
        }
      } finally {
        stop.abort();
        await ranges.return(undefined);
      }
      // S3 sends no checksum of a range, but holds one of the whole, if it was written with one.
      if (expected !== undefined && !isSame(sum.value, expected)) throw otherBytes(piece.source.key);
    }
    const at = { bucket: destination.bucket, key: output.key };
    return store.uploadStream(at, bytes(), { partSize: part, metadata: {}, memory: uploadMemory }, signal);
  });
}

function tooLarge(key: string, size: number, { partSize }: Pick<Settings, 'partSize'>): RollupError {
  const most = formatSize(PARTS_UPLOADED * partSize * MOST_PARTS);
  const message = `${key} (${formatSize(size)}) has to pass through this program, because source and destination differ in credentials or endpoint, and with this part size no more than ${most} can. Raise the part size.`;
  return new RollupError('InvalidArgument', message, { key });
}

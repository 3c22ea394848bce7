import { RollupError } from '../../errors.ts';
import { MOST_PARTS, PARTS_IN_FLIGHT } from '../../settings/settings.ts';
import { type Settings } from '../../settings/table.ts';
import { MiB, formatSize } from '../../size.ts';
import { combineCrc32 } from '../model/crc32.ts';
import { originOf } from '../model/endpoints.ts';
import type { Piece, PlannedOutput } from '../model/output.ts';
import type { Written } from '../model/store.ts';
import type { WriteContext, WriteResources } from './context.ts';
import { type SourceRange, download, rangesOf } from './ranges.ts';
import { readAhead } from './read-ahead.ts';

/** Of the parts that a streamCopy holds: the others are on their way in. */
const PARTS_OUT = PARTS_IN_FLIGHT / 2;

/** How a source is passed on: in ranges of one size, as parts of another. */
export function streamedCopySizes(size: number, { partSize }: Pick<Settings, 'partSize'>) {
  // Very large sources need larger parts, of which S3 takes no more than 10,000.
  return {
    range: Math.floor(partSize / 2),
    part: Math.max(partSize, Math.ceil(size / MOST_PARTS / MiB) * MiB),
  };
}

/**
 * Brings a large source to the other side: what S3 cannot be asked to copy passes through in ranges that are pinned to
 * its ETag, as it is, in the memory of four parts whatever its size. Throws as `Store.read` and `Store.uploadStream` do.
 */
export function streamCopy(
  output: PlannedOutput,
  context: WriteContext,
  { buffers, downloads, signal }: WriteResources,
): Promise<Written> {
  const { store, destination, settings } = context;
  const { partSize } = settings;
  const [piece] = output.pieces as [Piece];
  const { range, part } = streamedCopySizes(output.size, settings);
  if (part > PARTS_OUT * partSize) throw tooLarge(piece.source.key, output.size, settings);
  return buffers.use(PARTS_IN_FLIGHT * partSize, async (buffer) => {
    const stop = new AbortController();
    const until = AbortSignal.any([stop.signal, signal]);
    const read = (reading: SourceRange, into: Buffer) => download(downloads, reading, into, until);
    const memory = buffer.subarray(0, PARTS_OUT * partSize);
    const window = buffer.subarray(memory.length, PARTS_IN_FLIGHT * partSize);
    const arriving = readAhead(rangesOf(piece, context, range), window, read);
    const expected = (await head(piece, context))?.crc32;
    async function* bytes(): AsyncGenerator<Buffer> {
      let crc = 0;
      try {
        for (let next = await arriving.next(); next.done !== true; next = await arriving.next()) {
          const { bytes: chunk, crc32 } = next.value;
          crc = combineCrc32(crc, crc32, chunk.length);
          yield chunk;
        }
      } finally {
        stop.abort();
        await arriving.return(undefined);
      }
      // S3 tells no checksum of a range, but of the whole, if it was written with one.
      if (expected !== undefined && crc !== expected) throw mismatch(piece.source.key);
    }
    const at = { bucket: destination.bucket, key: output.key };
    return store.uploadStream(at, bytes(), { partSize: part, metadata: {}, memory }, signal);
  });
}

function head(piece: Piece, context: WriteContext) {
  const { store, from } = originOf(piece, context);
  return store.head(from);
}

function mismatch(key: string): RollupError {
  const message = `${key} arrived with another checksum than S3 has for it.`;
  return new RollupError('ChecksumMismatch', message, { key });
}

function tooLarge(key: string, size: number, { partSize }: Pick<Settings, 'partSize'>): RollupError {
  const most = formatSize(PARTS_OUT * partSize * MOST_PARTS);
  const message = `${key} (${formatSize(size)}) has to pass through this program, because source and destination differ in credentials or endpoint, and with this part size no more than ${most} can. Raise the part size.`;
  return new RollupError('InvalidArgument', message, { key });
}

import { RollupError } from '../../errors.ts';
import type { Settings } from '../../settings/table.ts';
import { type FirstRead, FormatMistaken, formatOfSource } from '../codec/source-format.ts';
import { combineCrc32 } from '../model/crc32.ts';
import { originsOf } from '../model/endpoints.ts';
import { nameOf } from '../model/format.ts';
import { formatCrc32 } from '../model/manifest.ts';
import { type Piece, type PlannedOutput, type WrittenOutput, isFromRaw } from '../model/output.ts';
import { type WriteContext, type WriteResources } from './context.ts';
import { closeLines, formatAdded, largestSize, offsetsOf, partCrcsOf } from './source-offsets.ts';
import { writtenOutput } from './written-output.ts';

/**
 * Writes an output of sources as they are: downloads each to its place in a buffer, adds the newlines that are lacking,
 * and uploads the buffer. Throws as `Store.read` and `Store.upload` do.
 *
 * @param unproven an existing output that stays if it has the size and the CRC-32 of what was assembled
 */
export function assemble(
  output: PlannedOutput,
  context: WriteContext,
  resources: WriteResources,
  unproven: WrittenOutput | undefined,
): Promise<WrittenOutput> {
  const { store, destination, settings } = context;
  const { partSize } = settings;
  return resources.buffers.use(largestSize(output), async (buffer) => {
    const crcs = await downloadSources(buffer, output, context, resources);
    const { length, crc32, added } = closeLines(buffer, output, crcs);
    if (unproven?.output.size === length && unproven.output.crc32 === formatCrc32(crc32)) {
      const reused = writtenOutput(output, 'reused', length, { etag: unproven.output.etag, crc32 }, added);
      return { ...reused, proven: isFromRaw(output) };
    }
    const partCrcs = partCrcsOf(buffer, length, offsetsOf(output, added), crcs, partSize);
    const body = buffer.subarray(0, length);
    const content = { body, crc32, partSize, partCrcs, metadata: formatAdded(added) };
    const at = { bucket: destination.bucket, key: output.key };
    const written = await store.upload(at, content, resources.signal);
    return writtenOutput(output, 'written', length, written, added);
  });
}

/** Downloads every source to its place in the buffer, one behind another; returns the CRC-32 of each. */
async function downloadSources(
  buffer: Buffer,
  output: PlannedOutput,
  context: WriteContext,
  { downloads, signal }: WriteResources,
): Promise<number[]> {
  const crcs = new Array<number>(output.pieces.length).fill(0);
  function* tasks(): Generator<() => Promise<void>> {
    let offset = 0;
    for (const [i, piece] of output.pieces.entries()) {
      const place = buffer.subarray(offset, (offset += piece.source.size));
      yield async () => {
        signal.throwIfAborted();
        let crc = 0;
        let at = 0;
        let contentEncoding: string | undefined;
        for (const { store, from } of originsOf(piece, context)) {
          const into = place.subarray(at, at + (from.range?.length ?? place.length));
          const read = await store.read(from, into, signal);
          crc = combineCrc32(crc, read.crc32, into.length);
          at += into.length;
          ({ contentEncoding } = read);
        }
        checkFormat(piece, output, { bytes: place, contentEncoding }, context.settings);
        crcs[i] = crc;
        context.report({ type: 'read', objects: 1, bytes: place.length });
      };
    }
  }
  await downloads.all(tasks());
  return crcs;
}

/** A gzip member of no bytes ends with eight zeros behind `03 00`; one that ends with more has padding behind it. */
const MOST_ZEROS = 9;

/**
 * Checks that a source which has arrived is of the kind of its output. Throws `FormatMistaken`, `SourceCorrupt`; and
 * `SourceNotJoinable` for gzip with padding behind it, since nothing that follows could be read.
 */
function checkFormat(
  piece: Piece,
  output: PlannedOutput,
  first: FirstRead,
  settings: Pick<Settings, 'sourceFormat'>,
): void {
  const { key } = piece.source;
  const { kind } = output;
  const format = formatOfSource(piece, first, settings);
  if (format.kind !== kind) throw new FormatMistaken(key, nameOf(format), nameOf({ kind }));
  const tail = first.bytes.subarray(-MOST_ZEROS - 1);
  if (kind === 'gzip' && tail.length > MOST_ZEROS && tail.every((byte) => byte === 0)) {
    const message = `${key} has zeros behind its last gzip member, and what is joined behind them could not be read. Use the codec gzip, which skips them.`;
    throw new RollupError('SourceNotJoinable', message, { key });
  }
}

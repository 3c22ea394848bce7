import { RollupError } from '../../errors.ts';
import type { Settings } from '../../settings/table.ts';
import { asStream } from '../codec/byte-reader.ts';
import { decode } from '../codec/decode.ts';
import { type FirstRead, FormatMistaken, corrupt, formatOfSource } from '../codec/source-format.ts';
import { endOf } from '../codec/whole.ts';
import { combineCrc32 } from '../model/crc32.ts';
import { originsOf } from '../model/endpoints.ts';
import { nameOf } from '../model/format.ts';
import type { Kind } from '../model/kind.ts';
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
        await checkFormat(piece, output, { bytes: place, contentEncoding }, context.settings);
        crcs[i] = crc;
        context.report({ type: 'read', objects: 1, bytes: place.length });
      };
    }
  }
  await downloads.all(tasks());
  return crcs;
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

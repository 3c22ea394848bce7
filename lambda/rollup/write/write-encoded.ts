import { isDeepStrictEqual } from 'node:util';
import { hasCode } from '../../errors.ts';
import type { Settings } from '../../settings/table.ts';
import { PARTS_IN_FLIGHT, SMALLEST_PART } from '../../settings/settings.ts';
import { MiB } from '../../size.ts';
import { RANGE } from '../codec/committed-text.ts';
import { decode } from '../codec/decode.ts';
import { type OutputText, formatSidecar, sidecarKeyOf } from '../codec/sidecar.ts';
import { Transcoding, largestDownload } from '../codec/transcode.ts';
import { checksumOf } from '../model/checksum/checksum.ts';
import { crc32 } from '../model/checksum/crc32.ts';
import { formOfCodec } from '../model/encoding.ts';
import type { Report } from '../model/events.ts';
import {
  type Origin,
  type PlannedOutput,
  type WrittenOutput,
  isEncoded,
  isFromRaw,
  lengthOf,
} from '../model/output.ts';
import type { ObjectHead } from '../model/store.ts';
import { checksumOfObject } from '../model/checksum/stored-checksum.ts';
import { type WriteContext, type WriteResources } from './context.ts';
import { encodingMetadata, isEncodedAs } from './existing-output.ts';
import { download } from './ranges.ts';
import { writtenText } from './written-output.ts';

/** The share of a buffer that is downloaded into is a quarter, within these bounds; the rest holds parts that are uploaded. */
const DOWNLOAD_MEMORY = { divisor: 4, least: 4 * MiB, most: 32 * MiB };
/** Parts that there should be room for: one is filled while another is uploaded. */
const PARTS_HELD = 2;

/**
 * Writes an output whose sources are decoded: they are downloaded, decoded, encoded and uploaded at the same time, in the
 * memory of one buffer. Its sidecar is written before it appears. An object of the same text under its key stays, whatever
 * encoded it. Throws as `Transcoding.bytes` and `Store.uploadStream` do.
 *
 * @param unproven an existing output that stays if it holds the text of its sources, which are read for it
 */
export function writeEncoded(
  output: PlannedOutput,
  context: WriteContext,
  { buffers, downloads, signal }: WriteResources,
  unproven: WrittenOutput | undefined,
): Promise<WrittenOutput> {
  const { store, raw, source, destination, settings } = context;
  const at = { bucket: destination.bucket, key: output.key };
  const sidecarAt = { bucket: at.bucket, key: sidecarKeyOf(output.key, destination) };
  const sizes = memoryOf(settings);
  return buffers.use(sizes.download + sizes.upload, async (buffer) => {
    const downloadMemory = buffer.subarray(0, sizes.download);
    const uploadMemory = buffer.subarray(sizes.download, sizes.download + sizes.upload);
    const transcode = (report: Report): Transcoding =>
      new Transcoding(output, {
        store,
        raw,
        source,
        destination,
        settings,
        report,
        signal,
        memory: downloadMemory,
        read: (range, into, stopped) => download(downloads, range, into, stopped),
      });
    const putSidecar = async (text: OutputText): Promise<void> => {
      await store.put(sidecarAt, await formatSidecar(text), 'application/gzip');
    };
    const storedHolds = (etag: string, text: OutputText): Promise<boolean> =>
      holdsText(output, store.stream({ ...at, etag }, signal), text);

    if (unproven !== undefined) {
      const text = await textOf(transcode(() => undefined));
      const { size, etag } = unproven.output;
      if (await storedHolds(etag, text)) {
        const stored = { size, etag, checksum: checksumOf(unproven.output) };
        const reused = { ...writtenText(output, 'reused', stored, text), proven: isFromRaw(output) };
        // The sidecar that was found may have said something else.
        if (!isDeepStrictEqual(unproven, { ...reused, proven: unproven.proven })) await putSidecar(text);
        context.report({ type: 'read', objects: output.pieces.length, bytes: output.size });
        return reused;
      }
    }

    const transcoding = transcode(context.report);
    async function* bytes(): AsyncGenerator<Buffer> {
      yield* transcoding.bytes();
      await putSidecar(transcoding.text);
    }
    // Another run's object under the key, if it is taken for this output.
    let taken: ObjectHead | undefined;
    const isOurs = async (other: ObjectHead): Promise<boolean> => {
      const isSame = isEncodedAs(output, other) && (await storedHolds(other.etag, transcoding.text));
      taken = isSame ? other : undefined;
      return isSame;
    };
    const options = {
      partSize: sizes.part,
      memory: uploadMemory,
      isOurs,
      metadata: encodingMetadata(output),
    };
    const written = await store.uploadStream(at, bytes(), options, signal);
    const from = { ...at, etag: written.etag };
    const checksum = await checksumOfObject(store, from, taken ?? written, 'crc32', signal);
    return writtenText(output, 'written', { ...written, checksum }, transcoding.text);
  });
}

/** Decodes all sources and keeps none of the text: its size, its CRC-32 and the length of each source are returned. */
async function textOf(transcoding: Transcoding): Promise<OutputText> {
  const chunks = transcoding.chunks();
  while ((await chunks.next()).done !== true);
  return transcoding.text;
}

/** True if an object decodes to a text of this size and CRC-32. Reads no further than to the first byte past the size. */
async function holdsText(
  { key, encoding }: PlannedOutput,
  stored: AsyncIterable<Buffer>,
  expected: { size: number; crc32: number },
): Promise<boolean> {
  const text = { size: 0, crc32: 0 };
  try {
    for await (const chunk of decode(formOfCodec(encoding?.codec ?? 'none'), stored, key)) {
      text.size += chunk.length;
      if (text.size > expected.size) return false;
      text.crc32 = crc32(chunk, text.crc32);
    }
  } catch (error) {
    if (hasCode(error, 'SourceCorrupt')) return false;
    throw error;
  }
  return text.size === expected.size && text.crc32 === expected.crc32;
}

/** The number of downloads that writing an output takes. */
export function downloadsOf({ mode, pieces }: PlannedOutput, settings: Settings): number {
  if (mode !== 'encode') return pieces.length;
  const maxLength = largestDownload(memoryOf(settings).download);
  let count = 0;
  // Each committed output that is encoded is read once for all of the sources in it.
  const encodedSizes = new Map<string, number>();
  for (const piece of pieces) {
    const { from } = piece;
    if (from !== undefined && isEncoded(from)) encodedSizes.set(from.key, from.coded?.size ?? 0);
    else count += headerReads(from) + Math.ceil((from?.length ?? lengthOf(piece)) / maxLength);
  }
  for (const size of encodedSizes.values()) count += Math.ceil(size / RANGE);
  return count;
}

/** Downloads of a header that was left out of the output that a source is read from: it is far smaller than a download may be. */
function headerReads(from: Origin | undefined): number {
  return from?.header === undefined ? 0 : 1;
}

/**
 * The bytes of a buffer that are downloaded into, and those that hold parts which are uploaded; and those of a part, which is
 * smaller than `partSize` where the buffer, of the size of an output, has no room for two.
 */
export function memoryOf({ targetSize, partSize }: Pick<Settings, 'targetSize' | 'partSize'>): {
  download: number;
  upload: number;
  part: number;
} {
  const { divisor, least, most } = DOWNLOAD_MEMORY;
  const all = Math.max(targetSize, SMALLEST_PART + least);
  const download = Math.min(most, Math.max(least, Math.floor(all / divisor)));
  const part = Math.max(SMALLEST_PART, Math.min(partSize, Math.floor((all - download) / PARTS_HELD)));
  const parts = Math.min(PARTS_IN_FLIGHT, Math.floor((all - download) / part));
  return { download, upload: parts * part, part };
}

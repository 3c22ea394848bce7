import { isDeepStrictEqual } from 'node:util';
import { hasCode } from '../../errors.ts';
import type { Settings } from '../../settings/table.ts';
import { MiB } from '../../size.ts';
import { RANGE } from '../codec/committed-text.ts';
import { decode } from '../codec/decode.ts';
import { type OutputText, formatSidecar, sidecarKeyOf } from '../codec/sidecar.ts';
import { Transcoding, largestDownload } from '../codec/transcode.ts';
import { crc32 } from '../model/crc32.ts';
import { formOfCodec } from '../model/encoding.ts';
import type { Report } from '../model/events.ts';
import { type WrittenOutput, type PlannedOutput, isEncoded, isFromRaw, lengthOf } from '../model/output.ts';
import type { ObjectHead } from '../model/store.ts';
import { type WriteContext, type WriteResources } from './context.ts';
import { encodingMetadata, isEncodedAs, storedCrc32 } from './existing-output.ts';
import { download } from './ranges.ts';
import { writtenText } from './written-output.ts';

/** Of a buffer: a quarter to download into, within these bounds; the rest holds parts that are uploaded. */
const WINDOW = { share: 4, least: 4 * MiB, most: 32 * MiB };
const PARTS_HELD = 4;

/**
 * Writes an output whose sources are decoded: downloaded, decoded, encoded and uploaded at the same time, in the memory
 * of one buffer. Its sidecar is written before it appears. What stands there with the same text stays, whatever encoded it.
 */
export function writeEncoded(
  output: PlannedOutput,
  { store, raw, source, destination, report, settings }: WriteContext,
  { buffers, downloads, signal }: WriteResources,
  /** One that is there, and has to be proven. */
  found: WrittenOutput | undefined,
): Promise<WrittenOutput> {
  const { partSize } = settings;
  const at = { bucket: destination.bucket, key: output.key };
  const sidecarAt = { bucket: at.bucket, key: sidecarKeyOf(output.key, destination) };
  const { window, parts } = memoryOf(settings);
  return buffers.use(window + parts, async (buffer) => {
    const transcode = (tell: Report): Transcoding =>
      new Transcoding(output, {
        ...{ store, raw, source, destination, report: tell, signal },
        memory: buffer.subarray(0, window),
        read: (reading, into, until) => download(downloads, reading, into, until),
      });
    const putSidecar = async (text: OutputText): Promise<void> => {
      await store.put(sidecarAt, await formatSidecar(text), 'application/gzip');
    };
    const isText = (etag: string, text: OutputText): Promise<boolean> =>
      holdsText(output, store.stream({ ...at, etag }, signal), text);

    if (found !== undefined) {
      const proof = transcode(() => undefined);
      const chunks = proof.chunks();
      while ((await chunks.next()).done !== true);
      const { size, etag, crc32: crc } = found.output;
      if (await isText(etag, proof.text)) {
        const stored = { size, etag, crc32: Number.parseInt(crc, 16) };
        const reused = { ...writtenText(output, 'reused', stored, proof.text), proven: isFromRaw(output) };
        // Its sidecar may have said something else.
        if (!isDeepStrictEqual(found, { ...reused, proven: found.proven })) await putSidecar(proof.text);
        report({ type: 'read', objects: output.pieces.length, bytes: output.size });
        return reused;
      }
    }
    const transcoding = transcode(report);
    async function* bytes(): AsyncGenerator<Buffer> {
      yield* transcoding.bytes();
      await putSidecar(transcoding.text);
    }
    let standing: ObjectHead | undefined;
    const isOurs = async (other: ObjectHead): Promise<boolean> => {
      const isSame = isEncodedAs(output, other) && (await isText(other.etag, transcoding.text));
      standing = isSame ? other : undefined;
      return isSame;
    };
    const memory = buffer.subarray(window, window + parts);
    const options = { partSize, memory, isOurs, metadata: encodingMetadata(output) };
    const written = await store.uploadStream(at, bytes(), options, signal);
    const from = { ...at, etag: written.etag };
    const crc = await storedCrc32(store, from, standing ?? written, signal);
    return writtenText(output, 'written', { ...written, crc32: crc }, transcoding.text);
  });
}

/** Whether what is stored decodes to this text. Reads no further than to the first byte past its size. */
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

/** DownloadQueue that writing an output takes. */
export function downloadsOf({ mode, pieces }: PlannedOutput, settings: Settings): number {
  if (mode !== 'encode') return pieces.length;
  const most = largestDownload(memoryOf(settings).window);
  const plain = pieces.filter(({ from }) => !isEncoded(from));
  const encoded = new Map(
    pieces.filter(({ from }) => isEncoded(from)).map(({ from }) => [from?.key, from?.coded?.size ?? 0]),
  );
  return [
    ...plain.map((piece) => lengthOf(piece) / most),
    ...[...encoded.values()].map((size) => size / RANGE),
  ]
    .map(Math.ceil)
    .reduce((sum, count) => sum + count, 0);
}

function memoryOf({ targetSize, partSize }: Settings): { window: number; parts: number } {
  const all = Math.max(targetSize, partSize + WINDOW.least);
  const window = Math.min(WINDOW.most, Math.max(WINDOW.least, Math.floor(all / WINDOW.share)));
  const held = Math.min(PARTS_HELD, Math.floor((all - window) / partSize));
  return { window, parts: Math.max(1, held) * partSize };
}

import { MiB } from '../size.ts';
import type { AssembleContext, Assembled } from './assemble.ts';
import type { Settings } from '../settings.ts';
import { RANGE } from './committed-text.ts';
import type { Downloads } from './downloads.ts';
import { type PlannedOutput, isEncoded, lengthOf } from './pack.ts';
import { download } from './readings.ts';
import { encodingMetadata, finishedText, isEncodedAs, storedCrc32 } from './reuse.ts';
import { formatSidecar, sidecarKeyOf } from './sidecar.ts';
import type { Slabs } from './slabs.ts';
import type { ObjectHead } from './store.ts';
import { Transcoding, largestDownload } from './transcode.ts';

/** Of a slab: a quarter to download into, within these bounds; the rest holds parts that are uploaded. */
const WINDOW = { share: 4, least: 4 * MiB, most: 32 * MiB };
const PARTS_HELD = 4;

export interface Means {
  slabs: Slabs;
  downloads: Downloads;
  signal: AbortSignal;
}

/**
 * Writes an output whose sources are decoded: downloaded, decoded, encoded and uploaded at the same time, in the memory
 * of one slab. Its sidecar is written before it appears.
 */
export function writeEncoded(
  output: PlannedOutput,
  { store, raw, source, destination, report, settings }: AssembleContext,
  { slabs, downloads, signal }: Means,
): Promise<Assembled> {
  const { partSize } = settings;
  const at = { bucket: destination.bucket, key: output.key };
  const { window, parts } = memoryOf(settings);
  return slabs.use(window + parts, async (slab) => {
    const transcoding = new Transcoding(output, {
      ...{ store, raw, source, destination, report, signal },
      memory: slab.subarray(0, window),
      read: (reading, into, until) => download(downloads, reading, into, until),
    });
    async function* bytes(): AsyncGenerator<Buffer> {
      yield* transcoding.bytes();
      const sidecar = await formatSidecar(transcoding.text);
      const key = sidecarKeyOf(output.key, destination);
      await store.put({ bucket: at.bucket, key }, sidecar, 'application/gzip');
    }
    let standing: ObjectHead | undefined;
    const isOurs = (found: ObjectHead): boolean => {
      if (isEncodedAs(output, found)) standing = found;
      return standing !== undefined;
    };
    const memory = slab.subarray(window, window + parts);
    const options = { partSize, memory, isOurs, metadata: encodingMetadata(output) };
    const written = await store.uploadStream(at, bytes(), options, signal);
    const from = { ...at, etag: written.etag };
    const crc32 = await storedCrc32(store, from, standing ?? written, signal);
    return finishedText(output, 'written', { ...written, crc32 }, transcoding.text);
  });
}

/** Downloads that writing an output takes. */
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

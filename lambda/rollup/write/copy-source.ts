import { checksumOf, isSame } from '../model/checksum/checksum.ts';
import { originsOf } from '../model/endpoints.ts';
import { type Piece, type PlannedOutput, type WrittenOutput, isFromRaw } from '../model/output.ts';
import { type WriteContext, type WriteResources } from './context.ts';
import type { Store } from '../model/store.ts';
import { checksumOfBytes } from '../model/checksum/stored-checksum.ts';
import { LARGEST_COPY } from '../../settings/settings.ts';
import { streamCopy } from './streamed-copy.ts';
import { writtenOutput } from './written-output.ts';

/**
 * True of a store that is asked to copy ranges: of Amazon S3 itself. MinIO refuses them where the upload has a checksum, and
 * versitygw takes the checksum of the whole source for that of the range.
 */
export function copiesInParts({ service }: Pick<Store, 'service'>): boolean {
  return service === undefined;
}

/**
 * Writes an output of one large source, as it is: copied inside S3, or streamed through this program where S3 cannot be
 * asked to copy it. Throws as `Store.copy` and `streamCopy` do.
 *
 * @param unproven an existing output that stays if the source, which is read for it, has its checksum
 */
export async function copySource(
  output: PlannedOutput,
  context: WriteContext,
  resources: WriteResources,
  unproven: WrittenOutput | undefined,
): Promise<WrittenOutput> {
  const { store, destination, report } = context;
  const { downloads, signal } = resources;
  const [piece] = output.pieces as [Piece];
  const origins = originsOf(piece, context);
  const read = { type: 'read', objects: 1, bytes: output.size } as const;
  if (unproven !== undefined) {
    // Its bytes are read: S3 holds no checksum of this source that could be compared.
    const expected = checksumOf(unproven.output);
    const found = await downloads.one(() => checksumOfBytes(origins, expected.algorithm, signal));
    if (isSame(found, expected)) {
      report(read);
      return { ...unproven, proven: isFromRaw(output) };
    }
  }
  const at = { bucket: destination.bucket, key: output.key };
  // S3 copies one range. A source whose header was left out of the output that it is in has two.
  const [origin] = origins.length === 1 ? origins : [];
  const inParts = origin?.from.range !== undefined || output.size > LARGEST_COPY;
  const written =
    origin !== undefined && store.canCopyFrom(origin.store) && (!inParts || copiesInParts(store))
      ? await store.copy(origin.from, output.size, at, signal)
      : await streamCopy(output, context, resources);
  report(read);
  return writtenOutput(output, 'copied', output.size, written, []);
}

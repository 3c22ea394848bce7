import { originsOf } from '../model/endpoints.ts';
import { type Checksum, checksumOf, crcBy, isSame } from '../model/checksum/checksum.ts';
import type { Piece, PlannedOutput, WrittenOutput } from '../model/output.ts';
import { type WriteContext, type WriteResources } from './context.ts';
import { checksumByHead, joinedChecksum } from './prove.ts';

/**
 * Compares an existing output with its sources by the checksums that S3 holds of them: a HEAD a source, and no byte read.
 *
 * @returns `unknown` where S3 does not hold that of every source by the output's algorithm, where sources are decoded, or if
 * time ran out
 */
export async function compareChecksums(
  output: PlannedOutput,
  { output: existing, sources }: WrittenOutput,
  context: WriteContext,
  { downloads, signal }: WriteResources,
): Promise<'same' | 'different' | 'unknown'> {
  if (output.mode === 'encode') return 'unknown';
  const { pieces } = output;
  const expected = checksumOf(existing);
  const checksums: Checksum[] = [];
  let isMissing = false;
  function* heads(first: number, end: number): Generator<() => Promise<void>> {
    for (let i = first; i < end && !isMissing && context.hasTime(); i++) {
      const piece = pieces[i] as Piece;
      yield async () => {
        signal.throwIfAborted();
        const origins = originsOf(piece, context);
        const [origin] = origins;
        const checksum =
          origin === undefined || origins.length > 1
            ? undefined
            : await checksumByHead(origin, piece.source.size);
        if (checksum?.algorithm !== expected.algorithm) isMissing = true;
        else checksums[i] = checksum;
      };
    }
  }
  // Where S3 holds none of the first source, it mostly holds none of any.
  await downloads.all(heads(0, 1));
  await downloads.all(heads(1, pieces.length));
  if (Object.keys(checksums).length < pieces.length) return 'unknown';
  const joined = joinedChecksum(await crcBy(expected.algorithm), sources, checksums, existing.size);
  return isSame(joined, expected) ? 'same' : 'different';
}

import { originsOf } from '../model/endpoints.ts';
import { formatCrc32 } from '../model/manifest.ts';
import type { Piece, PlannedOutput, WrittenOutput } from '../model/output.ts';
import { type WriteContext, type WriteResources } from './context.ts';
import { crc32ByHead, joinedCrc32 } from './prove.ts';

/**
 * Compares an existing output with its sources by the CRC-32s that S3 holds of them: a HEAD a source, and no byte read.
 *
 * @returns `unknown` where S3 does not hold the CRC-32 of every source, where sources are decoded, or if time ran out
 */
export async function compareChecksums(
  output: PlannedOutput,
  { output: { size, crc32 }, sources }: WrittenOutput,
  context: WriteContext,
  { downloads, signal }: WriteResources,
): Promise<'same' | 'different' | 'unknown'> {
  if (output.mode === 'encode') return 'unknown';
  const { pieces } = output;
  const crcs: number[] = [];
  let isMissing = false;
  function* heads(first: number, end: number): Generator<() => Promise<void>> {
    for (let i = first; i < end && !isMissing && context.hasTime(); i++) {
      const piece = pieces[i] as Piece;
      yield async () => {
        signal.throwIfAborted();
        const origins = originsOf(piece, context);
        const [origin] = origins;
        const crc =
          origin === undefined || origins.length > 1
            ? undefined
            : await crc32ByHead(origin, piece.source.size);
        if (crc === undefined) isMissing = true;
        else crcs[i] = crc;
      };
    }
  }
  // Where S3 holds none of the first source, it mostly holds none of any.
  await downloads.all(heads(0, 1));
  await downloads.all(heads(1, pieces.length));
  if (Object.keys(crcs).length < pieces.length) return 'unknown';
  const joined = joinedCrc32(sources, crcs, size);
  return joined !== undefined && formatCrc32(joined) === crc32 ? 'same' : 'different';
}

import { type OutputText, codedFields, textOffsetsOf } from '../codec/sidecar.ts';
import type { HowWritten } from '../model/events.ts';
import { formatCrc32 } from '../model/manifest.ts';
import type { PlannedOutput } from '../model/output.ts';
import { type WrittenOutput, isFromRaw } from '../model/output.ts';
import type { Written } from '../model/store.ts';
import { offsetsOf } from './source-offsets.ts';

/** An output as it will be committed. */
export function writtenOutput(
  output: PlannedOutput,
  how: HowWritten,
  size: number,
  { etag, crc32 }: Written,
  added: boolean[],
): WrittenOutput {
  const { key, pieces } = output;
  return {
    how,
    output: { key, size, etag, crc32: formatCrc32(crc32), sources: pieces.length },
    sources: offsetsOf(output, added),
    proven: how !== 'reused' && isFromRaw(output),
  };
}

/** An output whose sources were decoded, as it will be committed. */
export function writtenText(
  output: PlannedOutput,
  how: WrittenOutput['how'],
  { size, etag, crc32: crc }: { size: number; etag: string; crc32: number },
  text: OutputText,
): WrittenOutput {
  const { key, pieces } = output;
  const stored = { key, size, etag, crc32: formatCrc32(crc), sources: pieces.length };
  return {
    how,
    output: { ...stored, ...codedFields(output, text) },
    sources: textOffsetsOf(output, text),
    proven: how !== 'reused' && isFromRaw(output),
  };
}

import { type OutputText, codedFields, textFramesOf } from '../codec/sidecar.ts';
import type { OutputFate } from '../model/events.ts';
import { formatCrc32 } from '../model/manifest.ts';
import type { PlannedOutput } from '../model/output.ts';
import { type Assembled, isFromRaw } from '../model/output.ts';
import type { Written } from '../model/store.ts';
import { framesOf } from './source-offsets.ts';

/** An output as it will be committed. */
export function finished(
  output: PlannedOutput,
  how: OutputFate,
  size: number,
  { etag, crc32 }: Written,
  added: boolean[],
): Assembled {
  const { key, pieces } = output;
  return {
    how,
    output: { key, size, etag, crc32: formatCrc32(crc32), sources: pieces.length },
    sources: framesOf(output, added),
    proven: how !== 'reused' && isFromRaw(output),
  };
}

/** An output whose sources were decoded, as it will be committed. */
export function finishedText(
  output: PlannedOutput,
  how: Assembled['how'],
  { size, etag, crc32: crc }: { size: number; etag: string; crc32: number },
  text: OutputText,
): Assembled {
  const { key, pieces } = output;
  const stored = { key, size, etag, crc32: formatCrc32(crc), sources: pieces.length };
  return {
    how,
    output: { ...stored, ...codedFields(output, text) },
    sources: textFramesOf(output, text),
    proven: how !== 'reused' && isFromRaw(output),
  };
}

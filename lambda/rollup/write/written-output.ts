import { type OutputText, decodedFields, headersKeptIn, offsetsOfText } from '../codec/sidecar.ts';
import type { HowWritten } from '../model/events.ts';
import { fieldOf } from '../model/checksum/checksum.ts';
import { type PlannedOutput, type WrittenOutput, isFromRaw } from '../model/output.ts';
import type { Written } from '../model/store.ts';
import { offsetsOf } from './source-offsets.ts';

/**
 * An output of sources as they are, as it will be committed.
 *
 * @param size bytes of the object
 * @param added for each source, true if a newline was added behind it
 */
export function writtenOutput(
  output: PlannedOutput,
  how: HowWritten,
  size: number,
  { etag, checksum }: Written,
  added: boolean[],
): WrittenOutput {
  const { key, pieces } = output;
  return {
    how,
    output: { key, size, etag, ...fieldOf(checksum), sources: pieces.length },
    sources: offsetsOf(output, added),
    proven: how !== 'reused' && isFromRaw(output),
  };
}

/**
 * An output whose sources were decoded, as it will be committed.
 *
 * @param stored the object
 * @param text the text of the sources
 */
export function writtenText(
  output: PlannedOutput,
  how: HowWritten,
  stored: Written & { size: number },
  text: OutputText,
): WrittenOutput {
  const { key, pieces } = output;
  const { size, etag, checksum } = stored;
  return {
    how,
    output: {
      key,
      size,
      etag,
      ...fieldOf(checksum),
      sources: pieces.length,
      ...decodedFields(output, text),
    },
    sources: offsetsOfText(output, text),
    proven: how !== 'reused' && isFromRaw(output),
    headersKept: headersKeptIn(output, text),
  };
}

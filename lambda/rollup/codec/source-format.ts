import { RollupError } from '../../errors.ts';
import type { Piece } from '../model/output.ts';
import { type Form, MAGIC_LENGTH, formOfBytes, formOfKey } from '../model/encoding.ts';

/** What S3 adds to the header by itself, or stands for nothing. */
const NO_CODINGS = new Set(['', 'identity', 'aws-chunked']);
const CODINGS: Partial<Record<string, Form>> = { gzip: 'gzip', 'x-gzip': 'gzip', zstd: 'zstd' };

/**
 * What a source is to be decoded as, of which the first bytes are given. Throws `SourceNotDecodable` where it says what
 * cannot be decoded, or two things; `SourceCorrupt` where it does not begin as it says.
 */
export function sourceForm(
  { source: { key }, from }: Piece,
  { bytes, contentEncoding }: { bytes: Buffer; contentEncoding: string | undefined },
): Form {
  // The text of an output without a codec, of sources that were decoded.
  if (from?.coded !== undefined) return 'plain';
  const begins = formOfBytes(bytes.subarray(0, MAGIC_LENGTH));
  // An output of sources as they are does not tell what Content-Encoding they had.
  if (from !== undefined && formOfKey(key) === 'plain') return begins;
  const form = statedForm(key, from === undefined ? contentEncoding : undefined);
  if (begins === form) return form;
  throw corrupt(
    key,
    form === 'plain'
      ? `begins as ${begins}, but neither its key nor a Content-Encoding says so`
      : `does not begin as ${form}, which its key or its Content-Encoding says that it is`,
  );
}

/** By Content-Encoding and by the end of its key, which may both say it. */
export function statedForm(key: string, contentEncoding: string | undefined): Form {
  const codings = (contentEncoding ?? '')
    .split(',')
    .map((coding) => coding.trim().toLowerCase())
    .filter((coding) => !NO_CODINGS.has(coding));
  const byKey = formOfKey(key) ?? 'plain';
  const [coding, ...more] = codings;
  if (coding === undefined) return byKey;
  const form = more.length === 0 ? CODINGS[coding] : undefined;
  if (form !== undefined && (byKey === 'plain' || byKey === form)) return form;
  const why =
    form === undefined
      ? `has the Content-Encoding "${codings.join(', ')}", which cannot be decoded here`
      : `is ${byKey} by its key and ${form} by its Content-Encoding`;
  throw new RollupError('SourceNotDecodable', `${key} ${why}. Keep it under a prefix of its own.`, { key });
}

export function corrupt(key: string, why: string, cause?: unknown): RollupError {
  const message = `${key} ${why}. Replace it or take it away, and run again: what is written is kept.`;
  return new RollupError('SourceCorrupt', message, { key, cause });
}

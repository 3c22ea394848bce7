import { RollupError } from '../../errors.ts';
import type { Piece } from '../model/output.ts';
import { type Form, MAGIC_LENGTH, formOfBytes, formOfKey } from '../model/encoding.ts';

/** Content codings that mean nothing here: S3 adds `aws-chunked` by itself, and `identity` is none. */
const NO_CODINGS = new Set(['', 'identity', 'aws-chunked']);
const CODINGS: Partial<Record<string, Form>> = { gzip: 'gzip', 'x-gzip': 'gzip', zstd: 'zstd' };

/**
 * Decides what a source is decoded from: by its key, its Content-Encoding and its first bytes, which must agree.
 *
 * @param first the first bytes of the source, and the Content-Encoding of the object
 * @throws RollupError `SourceNotDecodable` where key and Content-Encoding name a form that cannot be decoded, or two;
 *   `SourceCorrupt` where the bytes do not begin as those say
 */
export function sourceForm(
  { source: { key }, from }: Piece,
  first: { bytes: Buffer; contentEncoding: string | undefined },
): Form {
  // It is read from an output with the codec `none`, which holds the text of decoded sources.
  if (from?.coded !== undefined) return 'plain';
  const begins = formOfBytes(first.bytes.subarray(0, MAGIC_LENGTH));
  // It is read from an output of sources as they are, which does not tell what Content-Encoding they had.
  if (from !== undefined && formOfKey(key) === 'plain') return begins;
  const form = statedForm(key, from === undefined ? first.contentEncoding : undefined);
  if (begins === form) return form;
  throw corrupt(
    key,
    form === 'plain'
      ? `begins as ${begins}, but neither its key nor a Content-Encoding says so`
      : `does not begin as ${form}, which its key or its Content-Encoding says that it is`,
  );
}

/** The form that an object's key ends in or its Content-Encoding names, or both. Throws `SourceNotDecodable`. */
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

/** `SourceCorrupt`. `why` ends a sentence that begins with the key. */
export function corrupt(key: string, why: string, cause?: unknown): RollupError {
  const message = `${key} ${why}. Replace it or take it away, and run again: what is written is kept.`;
  return new RollupError('SourceCorrupt', message, { key, cause });
}

import { RollupError } from '../../errors.ts';
import type { Settings } from '../../settings/table.ts';
import { type Form, formOfKind } from '../model/encoding.ts';
import { FIRST_BYTES, type Format, nameOf, tellFormat } from '../model/format.ts';
import type { Piece } from '../model/output.ts';

/** The first bytes of a source, and the Content-Encoding of the object that they were read from. */
export interface FirstRead {
  bytes: Buffer;
  contentEncoding: string | undefined;
}

/**
 * The format of a source whose first bytes have arrived: the one that is set, or what they tell.
 *
 * @throws RollupError `SourceCorrupt` where it does not begin as the format that is set, or as its Content-Encoding or its
 *   key says
 */
export function formatOfSource(
  { source: { key }, from }: Piece,
  { bytes, contentEncoding }: FirstRead,
  settings: Pick<Settings, 'sourceFormat' | 'newline'>,
): Format {
  const { sourceFormat } = settings;
  // It is read from an output with the codec `none`, which holds the text of decoded sources.
  if (from?.coded !== undefined || isUnseen(settings)) return { kind: 'plain' };
  const format = tellFormat({
    key,
    bytes: bytes.subarray(0, FIRST_BYTES),
    // An output of sources as they are does not tell what Content-Encoding they had.
    contentEncoding: from === undefined ? contentEncoding : undefined,
  });
  if (sourceFormat !== 'auto' && format.kind !== sourceFormat)
    throw corrupt(
      key,
      sourceFormat === 'plain'
        ? `begins as ${nameOf(format)}, and sourceFormat says that it is plain, to which newlines may be added: set newline to none as well`
        : `does not begin as ${sourceFormat}, which sourceFormat says that it is`,
    );
  if (format.damaged !== undefined)
    throw corrupt(
      key,
      `does not begin as ${nameOf(format)}, which its key or its Content-Encoding says that it is`,
    );
  return format;
}

/** True if sources are taken for plain text whatever they begin with: nothing is added to them. */
export function isUnseen({ sourceFormat, newline }: Pick<Settings, 'sourceFormat' | 'newline'>): boolean {
  return sourceFormat === 'plain' && newline === 'none';
}

/**
 * The form that a source is decoded from.
 *
 * @throws RollupError `SourceNotDecodable`; with `keep`, for text whose header lines are left out, `FormatMistaken` where it
 *   is no plain text; and what `formatOfSource` throws
 */
export function sourceForm(
  piece: Piece,
  first: FirstRead,
  settings: Pick<Settings, 'codec' | 'sourceFormat' | 'newline'>,
): Form {
  const { key } = piece.source;
  const format = formatOfSource(piece, first, settings);
  // Text whose header lines are left out is written as decoded text is, though nothing is to be decoded.
  if (settings.codec === 'keep' && format.kind !== 'plain')
    throw new FormatMistaken(key, nameOf(format), nameOf({ kind: 'plain' }));
  const form = formOfKind(format.kind);
  if (form !== undefined) return form;
  const message = `${key} is ${nameOf(format)}: a codec decodes gzip and zstd alone. Keep it under a prefix of its own.`;
  throw new RollupError('SourceNotDecodable', message, { key });
}

/** `SourceCorrupt`. `why` ends a sentence that begins with the key. */
export function corrupt(key: string, why: string, cause?: unknown): RollupError {
  const message = `${key} ${why}. Replace it or take it away, and run again: what is written is kept.`;
  return new RollupError('SourceCorrupt', message, { key, cause });
}

/**
 * Thrown where a source that is joined as it is proves to be of another format than its output: the hour is planned again,
 * with a sample of every source.
 */
export class FormatMistaken extends RollupError {
  /** Names of the two formats. */
  readonly found: string;
  readonly planned: string;

  constructor(key: string, found: string, planned: string) {
    const message = `${key} is ${found} by its first bytes, and was planned as ${planned}. Set sourceFormat, or keep it under a prefix of its own.`;
    super('FormatMistaken', message, { key });
    this.found = found;
    this.planned = planned;
  }
}

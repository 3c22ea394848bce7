import { type ErrorCode, RollupError } from '../../errors.ts';
import type { Settings } from '../../settings/table.ts';
import { type Format, nameOf } from '../model/format.ts';
import { isUtf16 } from '../model/kind.ts';
import { type Piece, type PlannedOutput, isEncoded } from '../model/output.ts';
import type { RefusedPiece } from './planner.ts';
import { isArchived } from './reconcile.ts';

/** Keys that a message names, at most. */
const NAMED = 5;

/**
 * Checks that sources can be read and joined, so that a run ends before it downloads anything for an output that cannot be
 * written. Throws `SourceNotJoinable`, `SourceNotDecodable`, `SourceCorrupt`, `CodecConflict` or `SourceArchived`.
 *
 * @param planned the next outputs of a plan
 * @param refused sources that were left out of it because of their format
 */
export function refuseUnreadable(
  planned: PlannedOutput[],
  refused: readonly RefusedPiece[],
  settings: HeaderSettings,
): void {
  refuseFormats(refused, settings);
  const pieces = piecesOf(planned);
  const headed = keysOf(pieces.filter((piece) => !canLeaveOutHeader(piece, settings)));
  refuse('CodecConflict', headed, (one) => COMPRESSED[one ? 'one' : 'many']);
  const joined = piecesOf(planned.filter(({ mode }) => mode !== 'encode'));
  const decoded = keysOf(joined.filter(({ from }) => from?.encoding !== undefined || isEncoded(from)));
  refuse('CodecConflict', decoded, (one) =>
    one
      ? 'has left raw, and the rollup holds it decoded: it cannot be joined as it was. Give a codec, none for plain text'
      : 'have left raw, and the rollup holds them decoded: they cannot be joined as they were. Give a codec, none for plain text',
  );
  const archived = pieces.filter(({ source, from }) => from === undefined && isArchived(source));
  const isRestoring = ({ source }: Piece): boolean => source.archive === 'restoring';
  refuse('SourceArchived', keysOf(archived.filter((piece) => !isRestoring(piece))), (one) =>
    one
      ? 'is archived and cannot be read. Restore it, and run again once that is done'
      : 'are archived and cannot be read. Restore them, and run again once that is done',
  );
  refuse('SourceArchived', keysOf(archived.filter(isRestoring)), (one) =>
    one
      ? 'is archived and being restored. Run again once that is done'
      : 'are archived and being restored. Run again once that is done',
  );
}

/** Refuses sources of formats that cannot be rolled up with these settings. */
function refuseFormats(refused: readonly RefusedPiece[], { codec, headerLines }: HeaderSettings): void {
  const refuseThose = (
    code: ErrorCode,
    isOne: (format: Format) => boolean,
    why: (one: boolean, named: string) => string,
  ): void => {
    const those = refused.filter(({ format }) => isOne(format));
    const named = [...new Set(those.map(({ format }) => nameOf(format)))].toSorted().join(', ');
    refuse(code, keysOf(those.map(({ piece }) => piece)), (one) => why(one, named));
  };
  const leavesOutHeaders = codec === 'keep' && headerLines > 0;
  refuseThose(
    'SourceNotJoinable',
    ({ foreign }) => foreign !== undefined,
    (one, named) =>
      one
        ? `is ${named}: it cannot be joined with others of its format. Keep it under a prefix of its own`
        : `are ${named}: they cannot be joined with others of their format. Keep them under a prefix of their own`,
  );
  refuseThose(
    'SourceNotJoinable',
    ({ kind }) => isUtf16(kind),
    (one) =>
      leavesOutHeaders
        ? `${one ? 'is' : 'are'} UTF-16, of which no header lines can be left out. Keep ${one ? 'it' : 'them'} under a prefix of ${one ? 'its' : 'their'} own`
        : `${one ? 'is' : 'are'} UTF-16, in which a newline has two bytes: none can be added. Set newline to none, or use a codec`,
  );
  refuseThose(
    'SourceCorrupt',
    ({ damaged }) => damaged !== undefined,
    (one, named) =>
      one
        ? `does not begin as ${named}, which its key or its Content-Encoding says that it is. Replace it or take it away`
        : `do not begin as ${named}, which their keys or Content-Encodings say that they are. Replace them or take them away`,
  );
  if (leavesOutHeaders)
    refuseThose(
      'CodecConflict',
      () => true,
      (one) => COMPRESSED[one ? 'one' : 'many'],
    );
  refuseThose(
    'SourceNotDecodable',
    () => true,
    (one, named) =>
      `${one ? 'is' : 'are'} ${named}: a codec decodes gzip and zstd alone. Keep ${one ? 'it' : 'them'} under a prefix of ${one ? 'its' : 'their'} own`,
  );
}

type HeaderSettings = Pick<Settings, 'codec' | 'headerLines'>;

const HEADER_ADVICE =
  'to be joined without decoding: header lines can be left out of text alone. Give a codec, gzip, zstd or none, or leave headerLines out';
const COMPRESSED = {
  one: `is compressed, and is ${HEADER_ADVICE}`,
  many: `are compressed, and are ${HEADER_ADVICE}`,
};

/**
 * True unless header lines are to be left out of a source that was compressed and has left raw, while it is to be joined as
 * it was.
 */
export function canLeaveOutHeader({ from }: Piece, { codec, headerLines }: HeaderSettings): boolean {
  return codec !== 'keep' || headerLines === 0 || from?.encoding === undefined;
}

function piecesOf(outputs: PlannedOutput[]): Piece[] {
  return outputs.flatMap(({ pieces }) => pieces);
}

function keysOf(pieces: Piece[]): string[] {
  return pieces.map(({ source }) => source.key);
}

/** Throws if there are keys. `why` continues the sentence after them; `one` is true if there is one key. */
function refuse(code: ErrorCode, keys: string[], why: (one: boolean) => string): void {
  const [key] = keys;
  if (key === undefined) return;
  const more = keys.length > NAMED ? `, and ${keys.length - NAMED} more` : '';
  throw new RollupError(code, `${keys.slice(0, NAMED).join(', ')}${more} ${why(keys.length === 1)}.`, {
    key,
  });
}

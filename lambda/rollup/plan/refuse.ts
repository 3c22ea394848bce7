import { type ErrorCode, RollupError } from '../../errors.ts';
import type { Settings } from '../../settings/table.ts';
import { formOfKey } from '../model/encoding.ts';
import { extensionOf, kindOf } from '../model/kind.ts';
import { type Piece, type PlannedOutput, isEncoded } from '../model/output.ts';
import { isArchived } from './reconcile.ts';

/** Keys that a message names, at most. */
const NAMED = 5;

/** Names of formats by their extension; other formats are called by the extension itself. */
const FORMATS: Partial<Record<string, string>> = {
  avro: 'Avro',
  br: 'Brotli',
  lz4: 'LZ4',
  orc: 'ORC',
  parquet: 'Parquet',
  snappy: 'Snappy',
  zip: 'ZIP',
};

/**
 * Checks that planned outputs can be written, so that a run ends before it downloads anything for one that cannot. Throws
 * `SourceNotJoinable`, `SourceNotDecodable`, `CodecConflict` or `SourceArchived`.
 */
export function refuseUnreadable(planned: PlannedOutput[]): void {
  const pieces = piecesOf(planned);
  const foreign = keysOf(pieces).filter((key) => kindOf(key) === undefined);
  refuse('SourceNotJoinable', foreign, (one) => {
    const formats = [...new Set(foreign.map(formatOf))].toSorted().join(', ');
    return one
      ? `is ${formats}: it cannot be joined with others of its format. Keep it under a prefix of its own`
      : `are ${formats}: they cannot be joined with others of their format. Keep them under a prefix of their own`;
  });
  refuseUndecodable(planned);
  const archived = pieces.filter(({ source, from }) => from === undefined && isArchived(source));
  refuse('SourceArchived', keysOf(archived), (one) =>
    one
      ? 'is archived and cannot be read. Restore it and copy it in place to a storage class that can be'
      : 'are archived and cannot be read. Restore them and copy them in place to a storage class that can be',
  );
}

/**
 * Refuses, in outputs whose sources are decoded, sources that no codec decodes; and in other outputs, sources that have
 * left raw and are held decoded in a committed output. Throws `SourceNotDecodable`, `CodecConflict`.
 */
function refuseUndecodable(planned: PlannedOutput[]): void {
  const encoded = piecesOf(planned.filter(({ mode }) => mode === 'encode'));
  const foreign = keysOf(
    encoded.filter(({ source, from }) => from?.coded === undefined && !formOfKey(source.key)),
  );
  refuse('SourceNotDecodable', foreign, (one) => {
    const formats = [...new Set(foreign.map((key) => kindOf(key)))].toSorted().join(', ');
    return one
      ? `is ${formats}: a codec decodes gzip and zstd alone. Keep it under a prefix of its own`
      : `are ${formats}: a codec decodes gzip and zstd alone. Keep them under a prefix of their own`;
  });
  const joined = piecesOf(planned.filter(({ mode }) => mode !== 'encode'));
  const decoded = keysOf(joined.filter(({ from }) => from?.encoding !== undefined || isEncoded(from)));
  refuse('CodecConflict', decoded, (one) =>
    one
      ? 'has left raw, and the rollup holds it decoded: it cannot be joined as it was. Give a codec, none for plain text'
      : 'have left raw, and the rollup holds them decoded: they cannot be joined as they were. Give a codec, none for plain text',
  );
}

/**
 * True unless header lines are to be left out of a source that is joined as it is, compressed: its lines cannot be seen.
 */
export function canLeaveOutHeader(
  { source, from }: Piece,
  { codec, headerLines }: Pick<Settings, 'codec' | 'headerLines'>,
): boolean {
  if (codec !== 'keep' || headerLines === 0) return true;
  return kindOf(source.key) === 'plain' && from?.encoding === undefined;
}

/** Refuses sources whose header lines are to be left out and cannot be. Throws `CodecConflict`. */
export function refuseEncodedHeaders(
  planned: PlannedOutput[],
  settings: Pick<Settings, 'codec' | 'headerLines'>,
): void {
  const encoded = keysOf(piecesOf(planned).filter((piece) => !canLeaveOutHeader(piece, settings)));
  refuse('CodecConflict', encoded, (one) => {
    const are = one ? 'is compressed, and is' : 'are compressed, and are';
    return `${are} to be joined without decoding: header lines can be left out of text alone. Give a codec, gzip, zstd or none, or leave headerLines out`;
  });
}

function piecesOf(outputs: PlannedOutput[]): Piece[] {
  return outputs.flatMap(({ pieces }) => pieces);
}

function keysOf(pieces: Piece[]): string[] {
  return pieces.map(({ source }) => source.key);
}

/** The name of a key's format: `a.parquet`, `a.parquet.gz` -> `Parquet`; `a.tar.gz` -> `tar`. */
function formatOf(key: string): string {
  const [, name = ''] = extensionOf(key).split('.');
  return FORMATS[name] ?? name;
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

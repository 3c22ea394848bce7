import { type ErrorCode, RollupError } from '../../errors.ts';
import { formOfKey } from '../model/encoding.ts';
import { type Piece, type PlannedOutput, isEncoded } from '../model/output.ts';
import { extensionOf, kindOf } from '../model/kind.ts';
import { isArchived } from './reconcile.ts';

const NAMED = 5;

/** What formats are called; the others are called by their extension. */
const FORMATS: Partial<Record<string, string>> = {
  avro: 'Avro',
  br: 'Brotli',
  lz4: 'LZ4',
  orc: 'ORC',
  parquet: 'Parquet',
  snappy: 'Snappy',
  zip: 'ZIP',
};

/** Ends a run before its first download where it could not be writtenOutput. Throws `SourceNotJoinable`, `SourceArchived`. */
export function refuseUnreadable(planned: PlannedOutput[]): void {
  const pieces = planned.flatMap((output) => output.pieces);
  const foreign = pieces.map(({ source }) => source.key).filter((key) => kindOf(key) === undefined);
  refuse('SourceNotJoinable', foreign, (one) => {
    const formats = [...new Set(foreign.map(formatOf))].toSorted().join(', ');
    return one
      ? `is ${formats}: it cannot be joined with others of its format. Keep it under a prefix of its own`
      : `are ${formats}: they cannot be joined with others of their format. Keep them under a prefix of their own`;
  });
  refuseUndecodable(planned);
  const archived = pieces.filter(({ source, from }) => from === undefined && isArchived(source));
  refuse(
    'SourceArchived',
    archived.map(({ source }) => source.key),
    (one) =>
      one
        ? 'is archived and cannot be read. Restore it and copy it in place to a storage class that can be'
        : 'are archived and cannot be read. Restore them and copy them in place to a storage class that can be',
  );
}

/** What has no place in an output whose sources are decoded, or in one whose sources are not. */
function refuseUndecodable(planned: PlannedOutput[]): void {
  const keysOf = (mode: boolean, is: (piece: Piece) => boolean): string[] =>
    planned
      .filter((output) => (output.mode === 'encode') === mode)
      .flatMap(({ pieces }) => pieces.filter(is).map(({ source }) => source.key));
  const foreign = keysOf(true, ({ source, from }) => from?.coded === undefined && !formOfKey(source.key));
  refuse('SourceNotDecodable', foreign, (one) => {
    const formats = [...new Set(foreign.map((key) => kindOf(key)))].toSorted().join(', ');
    return one
      ? `is ${formats}: a codec decodes gzip and zstd alone. Keep it under a prefix of its own`
      : `are ${formats}: a codec decodes gzip and zstd alone. Keep them under a prefix of their own`;
  });
  const decoded = keysOf(false, ({ from }) => from?.encoding !== undefined || isEncoded(from));
  refuse('CodecConflict', decoded, (one) =>
    one
      ? 'has left raw, and the rollup holds it decoded: it cannot be joined as it was. Give a codec, none for plain text'
      : 'have left raw, and the rollup holds them decoded: they cannot be joined as they were. Give a codec, none for plain text',
  );
}

/** `a.parquet`, `a.parquet.gz` -> `Parquet`; `a.tar.gz` -> `tar`. */
function formatOf(key: string): string {
  const [, name = ''] = extensionOf(key).split('.');
  return FORMATS[name] ?? name;
}

function refuse(code: ErrorCode, keys: string[], why: (one: boolean) => string): void {
  const [key] = keys;
  if (key === undefined) return;
  const more = keys.length > NAMED ? `, and ${keys.length - NAMED} more` : '';
  throw new RollupError(code, `${keys.slice(0, NAMED).join(', ')}${more} ${why(keys.length === 1)}.`, {
    key,
  });
}

/**
 * The format of a source that can be joined with others. Only sources of one kind share an output. `utf16le`, `utf16be`: text
 * in UTF-16, which begins with a byte order mark.
 */
export const KINDS = ['plain', 'utf16le', 'utf16be', 'gzip', 'zstd', 'bzip2', 'xz'] as const;
export type Kind = (typeof KINDS)[number];

/** Kinds by their extensions. The first extension of a kind is that of its outputs. */
const KINDS_BY_EXTENSION = new Map<string, Kind>([
  ['gz', 'gzip'],
  ['gzip', 'gzip'],
  ['zst', 'zstd'],
  ['zstd', 'zstd'],
  ['bz2', 'bzip2'],
  ['bzip2', 'bzip2'],
  ['xz', 'xz'],
]);

/** The extensions of outputs, with their dot, by kind. */
const SUFFIXES = new Map<Kind, string>(
  [...KINDS_BY_EXTENSION].reverse().map(([extension, kind]) => [kind, `.${extension}`]),
);

/**
 * Names of formats, by extension, whose files have an index, a trailer or a central directory: two such files, joined, are
 * no such file.
 */
const FOREIGN = new Map<string, string>([
  ['parquet', 'Parquet'],
  ['orc', 'ORC'],
  ['avro', 'Avro'],
  ['zip', 'ZIP'],
  ['jar', 'ZIP'],
  ['tar', 'tar'],
  ['tgz', 'tar'],
  ['tbz2', 'tar'],
  ['txz', 'tar'],
  ['7z', '7z'],
  ['rar', 'RAR'],
  ['br', 'Brotli'],
  ['lz4', 'LZ4'],
  ['snappy', 'Snappy'],
]);

/** Foreign formats that stay what they are inside of gzip and the like. */
const CONTAINERS = new Set(['Parquet', 'ORC', 'Avro', 'ZIP', 'tar', '7z', 'RAR']);

/** The kind, or the name of a format that cannot be joined, that a key's extensions say; undefined if they say none. */
export interface KeyFormat {
  kind?: Kind;
  foreign?: string;
}

/** The format that the end of a key says: `a.json.gz` -> gzip, `a.tar.gz` -> tar, `a.log` and `a` -> nothing. */
export function formatOfKey(key: string): KeyFormat {
  const [inner, outer] = lastTwoExtensions(key);
  const kind = KINDS_BY_EXTENSION.get(outer);
  const foreign = FOREIGN.get(outer);
  if (kind === undefined) return foreign === undefined ? {} : { foreign };
  const within = FOREIGN.get(inner);
  return within !== undefined && CONTAINERS.has(within) ? { kind, foreign: within } : { kind };
}

/**
 * The extension of an output for sources with such keys, which says what it is: `a/app.json` -> `.json`, and with the kind
 * gzip `a/app.json`, `a/app.json.gz` and `a/app.json.zst` -> `.json.gz`. Without an extension of its own, `a/app.log.3`
 * -> `` for plain text, and `.gz` for gzip.
 */
export function extensionOf(key: string, kind: Kind): string {
  const [inner, outer] = lastTwoExtensions(key);
  const own = KINDS_BY_EXTENSION.has(outer) ? inner : outer;
  return (own === '' || FOREIGN.has(own) ? '' : `.${own}`) + suffixOf(kind);
}

/** True of text in UTF-16, whose newline has two bytes. */
export function isUtf16(kind: Kind | undefined): boolean {
  return kind === 'utf16le' || kind === 'utf16be';
}

/** The extension of an output of sources whose extensions differ. */
export function commonExtension(kind: Kind): string {
  return `.log${suffixOf(kind)}`;
}

/** The extension of a kind: `.gz` for gzip, an empty text for plain text. */
function suffixOf(kind: Kind): string {
  return SUFFIXES.get(kind) ?? '';
}

/**
 * The last two extensions of a key, in lower case, without dots, empty if there is none. An extension begins with a letter,
 * except `7z`.
 */
function lastTwoExtensions(key: string): [inner: string, outer: string] {
  const name = key.slice(key.lastIndexOf('/') + 1);
  const [, inner = '', outer = ''] =
    /^.*?(?:\.([a-z][a-z0-9]{0,15}|7z))?(?:\.([a-z][a-z0-9]{0,15}|7z))$/is.exec(name) ?? [];
  return [inner.toLowerCase(), outer.toLowerCase()];
}

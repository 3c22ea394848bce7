/** The format of a source, as far as joining is concerned. Only sources of one kind share an output. */
export type Kind = 'plain' | 'gzip' | 'zstd' | 'bzip2' | 'xz';

/** Extensions of compressed formats whose files, joined, are again a valid file of the format. */
const JOINABLE = new Map<string, Kind>([
  ['gz', 'gzip'],
  ['zst', 'zstd'],
  ['bz2', 'bzip2'],
  ['xz', 'xz'],
]);

/** Extensions of formats with an index, a trailer or a central directory: two such files, joined, are no such file. */
const NOT_JOINABLE = new Set([
  'parquet',
  'orc',
  'avro',
  'zip',
  'tar',
  '7z',
  'tgz',
  'tbz2',
  'txz',
  'rar',
  'jar',
  'br',
  'lz4',
  'snappy',
]);

/** The kind of a source, from the end of its key; undefined if it cannot be joined. */
export function kindOf(key: string): Kind | undefined {
  const [inner, outer] = lastTwoExtensions(key);
  const kind = JOINABLE.get(outer);
  if (kind === undefined) return NOT_JOINABLE.has(outer) ? undefined : 'plain';
  return NOT_JOINABLE.has(inner) ? undefined : kind;
}

/** The extension of a key: `a/app.json` -> `.json`, `a/app.json.gz` -> `.json.gz`, `a/app.log.3` and `a/app` -> ``. */
export function extensionOf(key: string): string {
  const [inner, outer] = lastTwoExtensions(key);
  if (outer === '') return '';
  return JOINABLE.has(outer) && inner !== '' ? `.${inner}.${outer}` : `.${outer}`;
}

/** The extension without that of compression: `a/app.json` and `a/app.json.gz` -> `.json`, `a/app.gz` -> ``. */
export function innerExtensionOf(key: string): string {
  const [inner, outer] = lastTwoExtensions(key);
  const name = JOINABLE.has(outer) ? inner : outer;
  return name === '' ? '' : `.${name}`;
}

/** The extension of an output of sources whose extensions differ. */
export function commonExtension(kind: Kind): string {
  return `.log${suffixOf(kind)}`;
}

/** The extension of a kind: `.gz` for gzip, an empty text for plain text. */
export function suffixOf(kind: Kind): string {
  const [suffix] = [...JOINABLE].find(([, joined]) => joined === kind) ?? [];
  return suffix === undefined ? '' : `.${suffix}`;
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

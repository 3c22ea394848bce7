/** How sources may be joined. Only like is joined with like. */
export type Kind = 'plain' | 'gzip' | 'zstd' | 'bzip2' | 'xz';

/** Formats whose members, joined, are again a valid stream of the format. */
const JOINABLE = new Map<string, Kind>([
  ['gz', 'gzip'],
  ['zst', 'zstd'],
  ['bz2', 'bzip2'],
  ['xz', 'xz'],
]);

/** Formats with an index, a trailer or a central directory: two of them joined are neither. */
const NOT_JOINABLE = new Set([
  ...['parquet', 'orc', 'avro', 'zip', 'tar', '7z'],
  ...['tgz', 'tbz2', 'txz', 'rar', 'jar', 'br', 'lz4', 'snappy'],
]);

/** The kind of a source, told from the end of its key; undefined where it cannot be joined. */
export function kindOf(key: string): Kind | undefined {
  const [inner, outer] = lastTwoExtensions(key);
  const kind = JOINABLE.get(outer);
  if (kind === undefined) return NOT_JOINABLE.has(outer) ? undefined : 'plain';
  return NOT_JOINABLE.has(inner) ? undefined : kind;
}

/** `a/app.json` -> `.json`, `a/app.json.gz` -> `.json.gz`, `a/app.log.3` and `a/app` -> ``. */
export function extensionOf(key: string): string {
  const [inner, outer] = lastTwoExtensions(key);
  if (outer === '') return '';
  return JOINABLE.has(outer) && inner !== '' ? `.${inner}.${outer}` : `.${outer}`;
}

/** That of the text inside: `a/app.json` and `a/app.json.gz` -> `.json`, `a/app.gz` -> ``. */
export function innerExtensionOf(key: string): string {
  const [inner, outer] = lastTwoExtensions(key);
  const name = JOINABLE.has(outer) ? inner : outer;
  return name === '' ? '' : `.${name}`;
}

/** The extension of an output of sources whose extensions differ. */
export function commonExtension(kind: Kind): string {
  return `.log${suffixOf(kind)}`;
}

/** `.gz` of gzip, nothing of plain text. */
export function suffixOf(kind: Kind): string {
  const [suffix] = [...JOINABLE].find(([, joined]) => joined === kind) ?? [];
  return suffix === undefined ? '' : `.${suffix}`;
}

/** Lower-cased, without dots, empty where there is none. An extension begins with a letter, but for `7z`. */
function lastTwoExtensions(key: string): [inner: string, outer: string] {
  const name = key.slice(key.lastIndexOf('/') + 1);
  const [, inner = '', outer = ''] =
    /^.*?(?:\.([a-z][a-z0-9]{0,15}|7z))?(?:\.([a-z][a-z0-9]{0,15}|7z))$/is.exec(name) ?? [];
  return [inner.toLowerCase(), outer.toLowerCase()];
}

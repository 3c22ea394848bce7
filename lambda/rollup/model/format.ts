import { type Kind, formatOfKey, isUtf16 } from './kind.ts';

/**
 * The format of a source: a kind, or else why it can be neither joined nor decoded. `foreign` is the name of a format whose
 * files cannot be joined; `damaged` the kind that its key or its Content-Encoding says, though it does not begin so.
 */
export type Format =
  | { kind: Kind; foreign?: undefined; damaged?: undefined }
  | { kind?: undefined; foreign: string; damaged?: undefined }
  | { kind?: undefined; foreign?: undefined; damaged: Kind };

/** The number of bytes at the beginning of a source that tell its format: the magic number of tar ends at byte 262. */
export const FIRST_BYTES = 512;

/** The facts by which the format of a source is told. */
export interface Evidence {
  key: string;
  /** The first `FIRST_BYTES` of the source, or all of it if it has fewer. */
  bytes: Buffer;
  /** The object's header; undefined if there is none, or where it is not known. */
  contentEncoding?: string | undefined;
}

/**
 * Tells the format of a source by its first bytes. Content-Encoding and key are believed where bytes cannot tell: formats
 * without a magic number (Brotli, raw Snappy, deflate) of a source that does not begin as text does. What neither says is
 * plain text.
 */
export function tellFormat({ key, bytes, contentEncoding }: Evidence): Format {
  const byKey = formatOfKey(key);
  const told = formatOfBytes(bytes);
  if (told !== undefined) {
    // The same as its key says, and its key also says what is inside of it.
    if (byKey.foreign !== undefined && byKey.kind !== undefined && told.kind === byKey.kind)
      return { foreign: byKey.foreign };
    return told;
  }
  const byCoding = formatOfCoding(contentEncoding);
  const said = byCoding ?? (byKey.kind === undefined && byKey.foreign === undefined ? undefined : byKey);
  // Every kind but plain text has a magic number, so that it is not what key or Content-Encoding say.
  if (said === undefined || isText(bytes)) return { kind: 'plain' };
  return said.kind === undefined ? { foreign: said.foreign ?? '' } : { damaged: said.kind };
}

/** The format that a source is expected to have before any of its bytes is seen. */
export function expectedFormat(key: string): Format {
  const { kind = 'plain', foreign } = formatOfKey(key);
  return foreign === undefined ? { kind } : { foreign };
}

export function isSameFormat(one: Format, other: Format): boolean {
  return one.kind === other.kind && one.foreign === other.foreign && one.damaged === other.damaged;
}

const NAMES: Partial<Record<Kind, string>> = {
  plain: 'plain text',
  utf16le: 'UTF-16LE',
  utf16be: 'UTF-16BE',
};

/** The name of a format for messages: `gzip`, `plain text`, `Parquet`. */
export function nameOf({ kind, foreign, damaged }: Format): string {
  if (foreign !== undefined) return foreign;
  const named = kind ?? damaged;
  return NAMES[named] ?? named;
}

/** Content codings that mean nothing here: S3 adds `aws-chunked` by itself, and `identity` is none. */
const NO_CODINGS = new Set(['', 'identity', 'aws-chunked']);
const CODINGS = new Map<string, Kind>([
  ['gzip', 'gzip'],
  ['x-gzip', 'gzip'],
  ['zstd', 'zstd'],
  ['bzip2', 'bzip2'],
  ['xz', 'xz'],
]);
const FOREIGN_CODINGS = new Map([['br', 'Brotli']]);

/** The format that a Content-Encoding names: that of its last coding, which was applied last. */
function formatOfCoding(contentEncoding = ''): { kind?: Kind; foreign?: string } | undefined {
  const coding = contentEncoding
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .findLast((name) => !NO_CODINGS.has(name));
  if (coding === undefined) return undefined;
  const kind = CODINGS.get(coding);
  return kind === undefined ? { foreign: FOREIGN_CODINGS.get(coding) ?? coding } : { kind };
}

interface Magic {
  at?: number;
  bytes: Buffer;
  format: Format;
  /** True if text may begin so too: it is believed only where what follows is not text. */
  isText?: true;
}

const hex = (digits: string): Buffer => Buffer.from(digits, 'hex');
const ascii = (text: string): Buffer => Buffer.from(text, 'latin1');

/**
 * Magic numbers: gzip by RFC 1952, section 2.3.1, with its only method of compression; zstd by RFC 8878, sections 3.1.1 and
 * 3.1.2; xz by https://tukaani.org/xz/xz-file-format.txt; the others by their formats' descriptions.
 */
const MAGIC: readonly Magic[] = [
  { bytes: hex('1f8b08'), format: { kind: 'gzip' } },
  { bytes: hex('28b52ffd'), format: { kind: 'zstd' } },
  ...Array.from({ length: 16 }, (_, n) => ({
    bytes: hex(`5${n.toString(16)}2a4d18`),
    format: { kind: 'zstd' } as const,
  })),
  { bytes: hex('fd377a585a00'), format: { kind: 'xz' } },
  { bytes: ascii('BZh'), format: { kind: 'bzip2' }, isText: true },
  { bytes: hex('fffe0000'), format: { foreign: 'UTF-32' } },
  { bytes: hex('0000feff'), format: { foreign: 'UTF-32' } },
  { bytes: hex('fffe'), format: { kind: 'utf16le' } },
  { bytes: hex('feff'), format: { kind: 'utf16be' } },
  { bytes: ascii('PAR1'), format: { foreign: 'Parquet' }, isText: true },
  { bytes: ascii('PARE'), format: { foreign: 'Parquet' }, isText: true },
  { bytes: ascii('ORC'), format: { foreign: 'ORC' }, isText: true },
  { bytes: ascii('Obj\x01'), format: { foreign: 'Avro' } },
  { bytes: ascii('SEQ\x06'), format: { foreign: 'SequenceFile' } },
  { bytes: ascii('PK\x03\x04'), format: { foreign: 'ZIP' } },
  { bytes: ascii('PK\x05\x06'), format: { foreign: 'ZIP' } },
  { bytes: hex('377abcaf271c'), format: { foreign: '7z' } },
  { bytes: hex('526172211a07'), format: { foreign: 'RAR' } },
  { bytes: hex('04224d18'), format: { foreign: 'LZ4' } },
  { bytes: hex('02214c18'), format: { foreign: 'LZ4' } },
  { bytes: hex('ff060000734e61507059'), format: { foreign: 'Snappy' } },
  { bytes: hex('894c5a4f000d0a1a0a'), format: { foreign: 'LZO' } },
  { bytes: hex('1f9d'), format: { foreign: 'compress (.Z)' } },
  // RFC 1950, section 2.2: the levels of compression. Two of the four begin as text may.
  { bytes: hex('7801'), format: { foreign: 'zlib' }, isText: true },
  { bytes: hex('785e'), format: { foreign: 'zlib' }, isText: true },
  { bytes: hex('789c'), format: { foreign: 'zlib' }, isText: true },
  { bytes: hex('78da'), format: { foreign: 'zlib' }, isText: true },
  { at: 257, bytes: ascii('ustar'), format: { foreign: 'tar' } },
];

/** The first bytes of all magic numbers at the beginning of a source: most sources begin with none of them. */
const FIRST = new Set(MAGIC.filter(({ at = 0 }) => at === 0).map(({ bytes }) => bytes[0]));

/** The format that has such first bytes; undefined if no magic number tells. */
function formatOfBytes(bytes: Buffer): Format | undefined {
  const mayBegin = FIRST.has(bytes[0]);
  const found = MAGIC.find(
    ({ at = 0, bytes: magic, isText: isAmbiguous }) =>
      (at > 0 || mayBegin) &&
      bytes.subarray(at, at + magic.length).equals(magic) &&
      !(isAmbiguous === true && isText(bytes)),
  );
  // The name of a tar archive's first member is text, and the bytes behind it are zeros.
  return found?.at !== undefined && isText(bytes) ? undefined : found?.format;
}

/** True of text that begins with a byte order mark of UTF-16. */
export function beginsAsUtf16(text: Buffer): boolean {
  return isUtf16(formatOfBytes(text.subarray(0, FIRST_BYTES))?.kind);
}

/** The format of a text that was decoded, by its first bytes: a kind of text, or what is no text. */
export function formatOfText(bytes: Buffer): Format {
  return formatOfBytes(bytes.subarray(0, FIRST_BYTES)) ?? { kind: 'plain' };
}

/** Bytes from which on text in another encoding than UTF-8 is told from binary data by its lack of control characters. */
const SURELY_TEXT = 128;
/** Control characters that text has: tab, line feed, vertical tab, form feed, carriage return, backspace, escape. */
const TEXT_CONTROLS = new Set([0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x1b]);

/** True of bytes that text begins with: no control characters, and UTF-8 unless there are many of them. */
function isText(bytes: Buffer): boolean {
  if (bytes.some((byte) => (byte < 0x20 && !TEXT_CONTROLS.has(byte)) || byte === 0x7f)) return false;
  if (bytes.length >= SURELY_TEXT) return true;
  // Fatal, so that what is no UTF-8 throws; as a stream, since the last character may be cut.
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: true });
    return true;
  } catch {
    return false;
  }
}

import { type Codec, LEVELS } from '../../settings/codec.ts';
import { type Kind, kindOf } from './kind.ts';

/** The format of an output whose sources are decoded: one gzip member, one zstd frame, or plain text (`none`). */
export interface Encoding {
  codec: Exclude<Codec, 'keep'>;
  level: number;
}

/** The formats that a source can be decoded from. */
export type Form = Extract<Kind, 'plain' | 'gzip' | 'zstd'>;

/** The format that a source was decoded from; plain text is not decoded. */
export type SourceEncoding = Exclude<Form, 'plain'>;

/**
 * The encoding that settings ask for, with the codec's usual level if none is set; undefined with `keep`. Where header lines
 * are left out of sources that are kept as they are, these are plain text, and are written as with `none`.
 */
export function encodingOf({
  codec,
  level,
  headerLines = 0,
}: {
  codec: Codec;
  level?: number | undefined;
  headerLines?: number;
}): Encoding | undefined {
  switch (codec) {
    case 'keep':
      return headerLines === 0 ? undefined : { codec: 'none', level: 0 };
    case 'none':
      return { codec, level: 0 };
    case 'gzip':
    case 'zstd':
      return { codec, level: level ?? LEVELS[codec].usual };
  }
}

/** The form of an output that is written with a codec. */
export function formOfCodec(codec: Encoding['codec']): Form {
  return codec === 'none' ? 'plain' : codec;
}

/** The form of a source, from the end of its key; undefined for a kind that no codec decodes. */
export function formOfKey(key: string): Form | undefined {
  const kind = kindOf(key);
  return kind === 'plain' || kind === 'gzip' || kind === 'zstd' ? kind : undefined;
}

/** The number of bytes that `formOfBytes` looks at. */
export const MAGIC_LENGTH = 4;

/**
 * The form of an object that begins with these bytes: by the magic numbers of gzip (RFC 1952, section 2.3.1) and zstd (RFC
 * 8878, sections 3.1.1 and 3.1.2, which has skippable frames).
 */
export function formOfBytes(bytes: Buffer): Form {
  if (bytes[0] === 0x1f && bytes[1] === 0x8b && bytes[2] === 0x08) return 'gzip';
  const magic = bytes.length < MAGIC_LENGTH ? 0 : bytes.readUInt32LE();
  return magic === 0xfd2fb528 || (magic & 0xfffffff0) >>> 0 === 0x184d2a50 ? 'zstd' : 'plain';
}

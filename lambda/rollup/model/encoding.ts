import { type Codec, LEVELS } from '../../settings/codec.ts';
import { type Kind, kindOf } from './kind.ts';

/** How an output is written whose sources are decoded: as one gzip member, as one zstd frame, or as plain text. */
export interface Encoding {
  codec: Exclude<Codec, 'keep'>;
  level: number;
}

/** What a source can be decoded from. */
export type Form = Extract<Kind, 'plain' | 'gzip' | 'zstd'>;

/** What a source was decoded from; one of plain text was not. */
export type SourceEncoding = Exclude<Form, 'plain'>;

export function encodingOf({ codec, level }: { codec: Codec; level?: number | undefined }) {
  switch (codec) {
    case 'keep':
      return undefined;
    case 'none':
      return { codec, level: 0 } satisfies Encoding;
    case 'gzip':
    case 'zstd':
      return { codec, level: level ?? LEVELS[codec].usual } satisfies Encoding;
  }
}

/** The form of what is written with a codec. */
export function formOfCodec(codec: Encoding['codec']): Form {
  return codec === 'none' ? 'plain' : codec;
}

/** The end of its key tells that of a source, as far as it can be decoded. */
export function formOfKey(key: string): Form | undefined {
  const kind = kindOf(key);
  return kind === 'plain' || kind === 'gzip' || kind === 'zstd' ? kind : undefined;
}

/** Bytes that `formOfBytes` looks at. */
export const MAGIC_LENGTH = 4;

/** What bytes begin as. RFC 1952, section 2.3.1; RFC 8878, sections 3.1.1 and 3.1.2 (skippable frames). */
export function formOfBytes(bytes: Buffer): Form {
  if (bytes[0] === 0x1f && bytes[1] === 0x8b && bytes[2] === 0x08) return 'gzip';
  const magic = bytes.length < MAGIC_LENGTH ? 0 : bytes.readUInt32LE();
  return magic === 0xfd2fb528 || (magic & 0xfffffff0) >>> 0 === 0x184d2a50 ? 'zstd' : 'plain';
}

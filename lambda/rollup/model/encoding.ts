import { type Codec, LEVELS } from '../../settings/codec.ts';
import { type Kind, isUtf16 } from './kind.ts';

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

/** The form that a source of this kind is decoded from; undefined for a kind that no codec decodes. */
export function formOfKind(kind: Kind | undefined): Form | undefined {
  if (isUtf16(kind)) return 'plain';
  return kind === 'plain' || kind === 'gzip' || kind === 'zstd' ? kind : undefined;
}

import { type Codec, LEVELS } from '../../settings/codec.ts';
import type { Kind } from './kind.ts';

/** The format of an output whose sources are decoded: one gzip member, one zstd frame, or plain text (`none`). */
export interface Encoding {
  codec: Exclude<Codec, 'keep'>;
  level: number;
}

/** The formats that a source can be decoded from. */
export type Form = Extract<Kind, 'plain' | 'gzip' | 'zstd'>;

/** The format that a source was decoded from; plain text is not decoded. */
export type SourceEncoding = Exclude<Form, 'plain'>;

/** The encoding that settings ask for, with the codec's usual level if none is set; undefined with `keep`. */
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

/** The form of an output that is written with a codec. */
export function formOfCodec(codec: Encoding['codec']): Form {
  return codec === 'none' ? 'plain' : codec;
}

/** The form that a source of this kind is decoded from; undefined for a kind that no codec decodes. */
export function formOfKind(kind: Kind | undefined): Form | undefined {
  if (kind === 'utf16') return 'plain';
  return kind === 'plain' || kind === 'gzip' || kind === 'zstd' ? kind : undefined;
}

import { type Encoding, type Form, formOfCodec, formOfKind } from '../model/encoding.ts';
import type { Format } from '../model/format.ts';
import { type Piece, isEncoded, lengthOf } from '../model/output.ts';

/** Bytes that one byte of a form (outer) becomes in another (inner), for ordinary logs, if nothing could be measured. */
const USUAL: Record<Form, Record<Form, number>> = {
  plain: { plain: 1, gzip: 0.12, zstd: 0.12 },
  gzip: { plain: 8, gzip: 1, zstd: 1 },
  zstd: { plain: 8, gzip: 1, zstd: 1 },
};
/**
 * Significant digits of a measured ratio. With more, an object more or less in the listing would move the bounds of every
 * output.
 */
const DIGITS = 2;

/**
 * The bytes that sources take up in an output: their size if they are joined as they are, otherwise their size times the
 * ratio that was measured for their form.
 */
export class Weights {
  readonly encoding: Encoding | undefined;
  readonly #ratios = new Map<Form, number>();
  readonly #formatOf: (piece: Piece) => Format;

  /** @param formatOf returns the format that a source is taken for */
  constructor(encoding: Encoding | undefined, formatOf: (piece: Piece) => Format) {
    this.encoding = encoding;
    this.#formatOf = formatOf;
  }

  /** The bytes that a source takes up in an output; an estimate if it is encoded. */
  weigh(piece: Piece): number {
    const { encoding } = this;
    const length = lengthOf(piece);
    if (encoding === undefined) return length;
    const coded = piece.from?.coded;
    // It is in an output of the same codec, so the ratio is known.
    if (coded?.codec === encoding.codec && coded.textSize > 0) return (length * coded.size) / coded.textSize;
    const form = this.#formOf(piece);
    const to = formOfCodec(encoding.codec);
    return length * (this.#ratios.get(form) ?? USUAL[form][to]);
  }

  /** The pieces of each form that is still to be measured. */
  unmeasured(pieces: Piece[]): Map<Form, Piece[]> {
    const measurable = pieces.filter((piece) => this.formToMeasure(piece) !== undefined);
    return Map.groupBy(measurable, (piece) => this.#formOf(piece));
  }

  /** The form of a piece, if it is still to be measured and can be by this piece; otherwise undefined. */
  formToMeasure(piece: Piece): Form | undefined {
    const { encoding } = this;
    if (encoding === undefined || isEncoded(piece.from)) return undefined;
    const form = this.#formOf(piece);
    return form === formOfCodec(encoding.codec) || this.#ratios.has(form) ? undefined : form;
  }

  /** Takes the ratio that was measured for a form: bytes of output per stored byte. */
  measured(form: Form, ratio: number): void {
    this.#ratios.set(form, Number(ratio.toPrecision(DIGITS)));
  }

  #formOf(piece: Piece): Form {
    return formOfKind(this.#formatOf(piece).kind) ?? 'plain';
  }
}

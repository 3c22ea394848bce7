import { type Encoding, type Form, formOfCodec, formOfKey } from '../model/encoding.ts';
import { type Piece, isEncoded, lengthOf } from '../model/output.ts';

/** What a byte of each form comes to, where nothing could be measured: that of ordinary logs. */
const USUAL: Record<Form, Record<Form, number>> = {
  plain: { plain: 1, gzip: 0.12, zstd: 0.12 },
  gzip: { plain: 8, gzip: 1, zstd: 1 },
  zstd: { plain: 8, gzip: 1, zstd: 1 },
};
/** Digits of a measured ratio that count: an object more or less in the listing should not move every output's bounds. */
const DIGITS = 2;

/**
 * How much of an output a source takes up: its size where it is joined as it is, otherwise its size times what a byte of
 * its form was measured to come to.
 */
export class Weights {
  readonly encoding: Encoding | undefined;
  readonly #ratios = new Map<Form, number>();

  constructor(encoding: Encoding | undefined) {
    this.encoding = encoding;
  }

  weigh(piece: Piece): number {
    const { encoding } = this;
    const length = lengthOf(piece);
    if (encoding === undefined) return length;
    const coded = piece.from?.coded;
    // What such an output was written to is known.
    if (coded?.codec === encoding.codec && coded.textSize > 0) return (length * coded.size) / coded.textSize;
    const form = formOf(piece);
    const to = formOfCodec(encoding.codec);
    return length * (this.#ratios.get(form) ?? USUAL[form][to]);
  }

  /** The sources to measureRatios by, of forms that were not measured; none where a form stays as it is. */
  unmeasured(pieces: Piece[]): Map<Form, Piece[]> {
    const measurable = pieces.filter((piece) => this.formToMeasure(piece) !== undefined);
    return Map.groupBy(measurable, formOf);
  }

  /** That of a source which one of its form is to be measured by; undefined where there is no need, or no way. */
  formToMeasure(piece: Piece): Form | undefined {
    const { encoding } = this;
    if (encoding === undefined || isEncoded(piece.from)) return undefined;
    const form = formOf(piece);
    return form === encoding.codec || this.#ratios.has(form) ? undefined : form;
  }

  measured(form: Form, ratio: number): void {
    this.#ratios.set(form, Number(ratio.toPrecision(DIGITS)));
  }
}

/** By its key: a Content-Encoding is known only once something was read, and measuring sees to that. */
function formOf({ source, from }: Piece): Form {
  return from?.coded === undefined ? (formOfKey(source.key) ?? 'plain') : 'plain';
}

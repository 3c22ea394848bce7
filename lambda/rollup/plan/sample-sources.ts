import type { Form } from '../model/encoding.ts';
import type { Piece } from '../model/output.ts';
import type { Weights } from './weights.ts';

/** Of a form: at least half of these are held once there were so many. */
const MOST = 16;

/**
 * A few of the sources of each form that is to be measured, spread evenly over as many as come: every one of the first
 * 16, every second of the first 32, every fourth of the first 64 and so on. The same sources give the same samples.
 */
export class Samples {
  readonly #weights: Weights;
  readonly #forms = new Map<Form, { seen: number; apart: number; pieces: Piece[] }>();

  constructor(weights: Weights) {
    this.#weights = weights;
  }

  add(piece: Piece | undefined): void {
    const form = piece && this.#weights.formToMeasure(piece);
    if (piece === undefined || form === undefined) return;
    const of = this.#forms.get(form) ?? { seen: 0, apart: 1, pieces: [] };
    this.#forms.set(form, of);
    if (of.seen++ % of.apart !== 0) return;
    if (of.pieces.length === MOST) {
      of.pieces = of.pieces.filter((_, i) => i % 2 === 0);
      of.apart *= 2;
    }
    of.pieces.push(piece);
  }

  get pieces(): Piece[] {
    return [...this.#forms.values()].flatMap(({ pieces }) => pieces);
  }
}

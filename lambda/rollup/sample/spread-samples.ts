import type { Form } from '../model/encoding.ts';
import type { Piece } from '../model/output.ts';
import type { Weights } from './weights.ts';

/** Samples of one form, at most; at least half as many are held once a form has so many sources. */
const MOST = 16;

interface FormSamples {
  /** Sources that were added. */
  seen: number;
  /** One source in so many is a sample; a power of two. */
  step: number;
  pieces: Piece[];
}

/**
 * Samples of the sources of each form that is to be measured, spread evenly over however many are added: every one of 16,
 * every second of 32, every fourth of 64 and so on. The same sources give the same samples.
 */
export class Samples {
  readonly #weights: Weights;
  readonly #forms = new Map<Form, FormSamples>();

  constructor(weights: Weights) {
    this.#weights = weights;
  }

  /** Adds a source; one of a form that need not be measured is ignored. */
  add(piece: Piece | undefined): void {
    const form = piece && this.#weights.formToMeasure(piece);
    if (piece === undefined || form === undefined) return;
    const samples = this.#forms.get(form) ?? { seen: 0, step: 1, pieces: [] };
    this.#forms.set(form, samples);
    if (samples.seen++ % samples.step !== 0) return;
    if (samples.pieces.length === MOST) {
      samples.pieces = samples.pieces.filter((_, i) => i % 2 === 0);
      samples.step *= 2;
    }
    samples.pieces.push(piece);
  }

  /** The samples of each form. */
  get byForm(): ReadonlyMap<Form, Piece[]> {
    return new Map(Array.from(this.#forms, ([form, { pieces }]) => [form, pieces]));
  }
}

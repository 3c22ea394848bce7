import type { RollupEvent } from '../../lambda/rollup/index.ts';
import { MiB, formatSize } from '../../lambda/size.ts';
import { formatCount, formatNoun } from './output.ts';
import { type Progress, formatTimeLeft } from './progress.ts';

type Phase = 'listing' | 'rolling up' | 'committing' | 'deleting';

const WHY_AGAIN = {
  lost: 'another run committed first',
  mistaken: 'a source is of another format',
  vanished: 'another run deletes sources',
};

/** Adds up the events of a run, and gives the progress to show. */
export class RunTally {
  #phase: Phase = 'listing';
  #listed = { objects: 0, bytes: 0 };
  /** The whole work of the run; undefined while the listing goes on. */
  #total: { objects: number; bytes: number; outputs: number | undefined } | undefined;
  #done = { objects: 0, bytes: 0, outputs: 0 };
  #deleted = { objects: 0, bytes: 0 };
  #attempts = 1;
  #why: keyof typeof WHY_AGAIN = 'lost';
  #began: number | undefined;
  readonly #now: () => number;
  readonly #inUse: () => string;

  /** `now` is in milliseconds; `inUse` describes connections and descriptors in use. */
  constructor({ now, inUse }: { now: () => number; inUse: () => string }) {
    this.#now = now;
    this.#inUse = inUse;
  }

  add(event: RollupEvent): void {
    switch (event.type) {
      case 'listed':
        this.#listed = event;
        break;
      case 'planned':
        this.#total = event;
        this.#begin();
        break;
      case 'begun':
        this.#begin();
        break;
      case 'read':
        this.#done.objects += event.objects;
        this.#done.bytes += event.bytes;
        break;
      case 'output':
        this.#done.outputs++;
        if (this.#done.outputs === this.#total?.outputs) this.#phase = 'committing';
        break;
      case 'lost':
      case 'mistaken':
      case 'vanished':
        this.#attempts++;
        this.#why = event.type;
        this.#phase = 'listing';
        this.#total = undefined;
        this.#done = { objects: 0, bytes: 0, outputs: 0 };
        break;
      case 'deleted':
        this.#phase = 'deleting';
        this.#deleted = event;
        break;
      case 'committed':
      case 'damaged':
      case 'swept':
        break;
    }
  }

  #begin(): void {
    if (this.#phase === 'listing') this.#phase = 'rolling up';
    this.#began ??= this.#now();
  }

  read(): Progress {
    const again = this.#attempts === 1 ? '' : `, attempt ${this.#attempts}: ${WHY_AGAIN[this.#why]}`;
    if (this.#phase === 'listing') {
      const listed = `${formatNoun(this.#listed.objects, 'object')} listed${again}`;
      return { phase: this.#phase, brief: listed, full: listed };
    }
    if (this.#phase === 'deleting') {
      const { objects, bytes } = this.#deleted;
      const gone = `${formatNoun(objects, 'object')} deleted from raw`;
      return { phase: this.#phase, brief: gone, full: `${gone}, ${formatSize(bytes)}` };
    }
    if (this.#total?.objects === 0) {
      const among = formatNoun(this.#listed.objects, 'object');
      return { phase: this.#phase, done: 1, brief: 'nothing new', full: `nothing new among ${among}` };
    }
    const done = this.#done;
    // While the listing goes on, the total is the part that is listed so far, and a plus sign.
    const more = this.#total === undefined ? '+' : '';
    const { objects, bytes } = this.#total ?? this.#listed;
    const outputs = this.#total?.outputs;
    const seconds = (this.#now() - (this.#began ?? this.#now())) / 1000;
    const rate = seconds > 0 ? `${Math.round(done.bytes / MiB / seconds)} MiB/s` : '';
    // The time left of a total that still grows would be a lie.
    const left =
      this.#total === undefined ? undefined : formatTimeLeft({ done: done.bytes, total: bytes, seconds });
    const full = [
      `${formatCount(done.objects)} of ${formatCount(objects)}${more} ${objects === 1 ? 'object' : 'objects'}`,
      `${formatSize(done.bytes)} of ${formatSize(bytes)}${more}`,
      ...(rate === '' ? [] : [rate]),
      ...(left === undefined ? [] : [left]),
      outputs === undefined
        ? formatNoun(done.outputs, 'output')
        : `${formatCount(done.outputs)} of ${formatNoun(outputs, 'output')}`,
      this.#inUse() + again,
    ].join(', ');
    return {
      phase: this.#phase,
      ...(this.#total === undefined ? {} : { done: done.bytes / bytes }),
      brief: [
        `${formatSize(done.bytes)}/${formatSize(bytes)}${more}`,
        ...(rate === '' ? [] : [rate]),
        ...(left === undefined ? [] : [left]),
        `${formatCount(done.objects)}/${formatCount(objects)}${more} ${objects === 1 ? 'object' : 'objects'}`,
      ].join(' '),
      full,
    };
  }
}

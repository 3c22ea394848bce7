import type { RollupEvent } from '../lambda/rollup/events.ts';
import { MiB, formatSize } from '../lambda/size.ts';
import { formatCount, formatNoun } from './output.ts';
import type { Progress } from './progress.ts';

type Phase = 'listing' | 'rolling up' | 'committing';

/** What the events of a run come to, as progress to show. */
export class RunTally {
  #phase: Phase = 'listing';
  #listed = 0;
  #total = { objects: 0, bytes: 0, outputs: 0 };
  #done = { objects: 0, bytes: 0, outputs: 0 };
  #attempts = 1;
  #began = 0;
  readonly #now: () => number;
  readonly #inUse: () => string;

  /** `now` in milliseconds; `inUse` tells of connections and the like. */
  constructor({ now, inUse }: { now: () => number; inUse: () => string }) {
    this.#now = now;
    this.#inUse = inUse;
  }

  add(event: RollupEvent): void {
    switch (event.type) {
      case 'listed':
        this.#phase = 'listing';
        this.#listed = event.objects;
        break;
      case 'planned':
        this.#phase = 'rolling up';
        this.#began = this.#now();
        this.#total = { objects: event.objects, bytes: event.bytes, outputs: event.outputs };
        this.#done = { objects: 0, bytes: 0, outputs: 0 };
        break;
      case 'landed':
        this.#done.objects += event.objects;
        this.#done.bytes += event.bytes;
        break;
      case 'output':
        this.#done.outputs++;
        if (this.#done.outputs === this.#total.outputs) this.#phase = 'committing';
        break;
      case 'lost':
        this.#attempts = event.attempt + 1;
        break;
      case 'begun':
      case 'committed':
      case 'swept':
        break;
    }
  }

  read(): Progress {
    const again = this.#attempts === 1 ? '' : `, attempt ${this.#attempts}: another run committed first`;
    if (this.#phase === 'listing') {
      const listed = `${formatNoun(this.#listed, 'object')} listed${again}`;
      return { phase: this.#phase, brief: listed, full: listed };
    }
    const [done, total] = [this.#done, this.#total];
    if (total.objects === 0) {
      return {
        phase: this.#phase,
        done: 1,
        brief: 'nothing new',
        full: `nothing new among ${formatNoun(this.#listed, 'object')}`,
      };
    }
    const seconds = (this.#now() - this.#began) / 1000;
    const rate = seconds > 0 ? `${Math.round(done.bytes / MiB / seconds)} MiB/s` : '';
    const full = [
      `${formatCount(done.objects)} of ${formatNoun(total.objects, 'object')}`,
      `${formatSize(done.bytes)} of ${formatSize(total.bytes)}`,
      ...(rate === '' ? [] : [rate]),
      `${formatCount(done.outputs)} of ${formatNoun(total.outputs, 'output')}`,
      this.#inUse() + again,
    ].join(', ');
    return {
      phase: this.#phase,
      done: done.bytes / total.bytes,
      brief: `${formatCount(done.objects)}/${formatCount(total.objects)} objects ${rate} ${done.outputs}/${total.outputs} outputs`,
      full,
    };
  }
}

import {
  type Distribute,
  type PlanItem,
  type Report,
  type Store,
  type WriteStep,
  formatLocation,
  formatPlanAt,
  readHeader,
  readItems,
} from '../../lambda/rollup/index.ts';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { extname, join } from 'node:path';
import { type ErrorCode, RollupError } from '../../lambda/errors.ts';
import type { Settings } from '../../lambda/settings/table.ts';
import { type RunUsage, type FromWorker, type ToWorker, fromWorkerSchema } from './messages.ts';

/** Beside this file in the repository, and beside the chunk that holds it in the package. */
const WORKER = join(import.meta.dirname, `worker${extname(import.meta.filename)}`);

export interface PoolOptions {
  workers: number;
  store: Store;
  settings: Settings;
  endpointUrl: string | undefined;
  region: string | undefined;
  report: Report;
  signal: AbortSignal;
}

/** Processes that carry out a plan together. Each is sent an item of the plan whenever it asks for one. */
export class WorkerPool {
  readonly #options: PoolOptions;
  readonly #usage: RunUsage[] = [];
  readonly #inUse = new Map<ChildProcess, { connections: number; descriptors: number }>();

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  /** Connections and descriptors that all processes together have in use now. */
  get inUse(): { connections: number; descriptors: number } {
    return sumOf([...this.#inUse.values()], ['connections', 'descriptors']);
  }

  /** Requests and peaks of each process that has ended. */
  get usage(): readonly RunUsage[] {
    return this.#usage;
  }

  /**
   * Has all outputs of a plan written, and waits until every process has ended.
   *
   * @throws RollupError the first failure; `WorkerEnded` if a process ended without a result
   */
  readonly distribute: Distribute = async ({ at, etag, totals }, { source, repack = false }) => {
    const { store, signal, settings, endpointUrl, region } = this.#options;
    const header = await readHeader(store, { at, etag }, signal);
    // The plan was removed by a run that committed first.
    if (header === undefined) return { status: 'lost' };
    const items = readItems(store, at, header, signal);
    const stop = new AbortController();
    const start: ToWorker = {
      type: 'start',
      plan: formatPlanAt(at),
      etag,
      source: formatLocation(source),
      repack,
      settings: { ...settings },
      ...(endpointUrl === undefined ? {} : { endpointUrl }),
      ...(region === undefined ? {} : { region }),
    };
    const count = Math.min(this.#options.workers, totals.outputs);
    const stopped = AbortSignal.any([stop.signal, signal]);
    let failure: { error: unknown } | undefined;
    const working = Array.from({ length: count }, () =>
      this.#runWorker(start, items, stopped).catch((error: unknown) => {
        failure ??= { error };
        stop.abort();
      }),
    );
    const steps = await Promise.all(working);
    if (failure !== undefined) throw failure.error;
    return steps.reduce<WriteStep>((sum, step) => (step === undefined ? sum : added(sum, step)), NOTHING);
  };

  /** Runs one process from its start to its end. */
  async #runWorker(
    start: ToWorker,
    items: AsyncIterator<Pick<PlanItem, 'offset' | 'length'>>,
    signal: AbortSignal,
  ): Promise<WriteStep> {
    const worker = fork(WORKER, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    const say = (message: ToWorker): void => {
      // If the process has ended meanwhile, its exit is handled below.
      if (worker.connected) worker.send(message, () => undefined);
    };
    const onStop = (): void => {
      say({ type: 'stop' });
    };
    signal.addEventListener('abort', onStop);
    let end: Extract<FromWorker, { type: 'done' | 'failed' }> | undefined;
    let failure: { error: unknown } | undefined;
    worker.on('error', (error) => (failure ??= { error }));
    worker.on('message', (raw) => {
      const message = fromWorkerSchema.parse(raw);
      if (message.type === 'done' || message.type === 'failed') end = message;
      else if (message.type === 'next') {
        items.next().then(
          (next) => {
            say({ type: 'item', item: next.done === true ? null : withoutPlan(next.value) });
          },
          (error: unknown) => {
            failure ??= { error };
            onStop();
          },
        );
      } else this.#note(worker, message);
    });
    try {
      say(start);
      if (signal.aborted) onStop();
      const [code, killedBy] = (await once(worker, 'exit')) as [number | null, NodeJS.Signals | null];
      if (failure !== undefined) throw failure.error;
      if (end === undefined) throw ended(killedBy ?? `exit code ${code ?? 0}`);
      this.#usage.push({ requests: end.requests, peak: end.peak });
      if (end.type === 'done') return end.step;
      const { code: name, message, key } = end.error;
      throw new RollupError(name as ErrorCode, message, { key });
    } finally {
      signal.removeEventListener('abort', onStop);
      this.#inUse.delete(worker);
    }
  }

  #note(worker: ChildProcess, message: Extract<FromWorker, { type: 'progress' | 'begun' | 'output' }>): void {
    const { report } = this.#options;
    if (message.type !== 'progress') {
      report(message);
      return;
    }
    const { objects, bytes, ...inUse } = message;
    this.#inUse.set(worker, inUse);
    report({ type: 'read', objects, bytes });
  }
}

const NOTHING: WriteStep = {
  status: 'written',
  counts: { written: 0, copied: 0, reused: 0 },
  bytes: 0,
  peakInFlightBytes: 0,
  warnings: [],
};

function added(one: WriteStep, other: WriteStep): WriteStep {
  if (one.status === 'lost' || other.status === 'lost') return { status: 'lost' };
  return {
    status: one.status === 'incomplete' ? one.status : other.status,
    counts: sumOf([one.counts, other.counts], ['written', 'copied', 'reused']),
    ...sumOf([one, other], ['bytes', 'peakInFlightBytes']),
    warnings: [...one.warnings, ...other.warnings],
  };
}

/** Sums of the named fields over all objects; an absent field counts as 0. */
export function sumOf<Name extends string>(
  all: readonly Partial<Record<Name, number>>[],
  names: readonly Name[],
): Record<Name, number> {
  const sums = names.map((name) => [name, all.reduce((sum, one) => sum + (one[name] ?? 0), 0)]);
  return Object.fromEntries(sums) as Record<Name, number>;
}

function withoutPlan({ offset, length }: Pick<PlanItem, 'offset' | 'length'>) {
  return { offset, length };
}

function ended(how: string): RollupError {
  const message = `A worker ended before its work was done (${how}). What is written is kept: run again to go on from there.`;
  return new RollupError('WorkerEnded', message);
}

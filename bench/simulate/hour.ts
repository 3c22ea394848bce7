import { maxSockets } from '../../lambda/settings/settings.ts';
import type { Settings } from '../../lambda/settings/table.ts';
import type { Figures } from './figures.ts';
import { meanLatency } from './latency.ts';
import { type Sizes, type Transfer, cpuRate, simulateTransfer } from './transfer.ts';

/** More than these are not simulated one by one: it repeats itself, and the time is in proportion. */
const MOST_OBJECTS = 10_000;
const MOST_OUTPUTS = 20;
const PAGE = 1000;
/** Pages of the listing that are in memory as a rule: being fetched, waiting, or being planned. */
const PAGES_AHEAD = 4;

export interface HourOptions extends Sizes {
  objects: number;
  memory: number;
  settings: Settings;
}

export type SimulatedHour =
  | {
      fits: true;
      /** From the first invocation's start to the last one's end. */
      seconds: number;
      invocations: number;
      dollars: number;
      bytes: number;
      /** What the transfer takes at least by each of its limits. */
      cpuSeconds: number;
      networkSeconds: number;
    }
  /** It runs out of memory, or an invocation ends before it has written one output. */
  | { fits: false; why: 'memory' | 'no progress'; needed: number };

export type Model = (options: HourOptions) => SimulatedHour;

/** Hours through Lambda, their continuations included; the same figures and seed give the same hours. */
export function createModel(figures: Figures, seed = 1): Model {
  const transfers = new Map<string, Transfer>();
  const transferOf = (options: HourOptions, objects: number): Transfer => {
    const name = JSON.stringify({ ...options, objects });
    const transfer = transfers.get(name) ?? simulateTransfer({ ...options, objects, figures, seed });
    transfers.set(name, transfer);
    return transfer;
  };
  return (options) => {
    const needed = memoryOf(options, figures);
    if (needed > options.memory * 2 ** 20) return { fits: false, why: 'memory', needed };
    return invocationsOf(options, figures, transferOf(options, simulatedObjects(options)));
  };
}

/** What earlier invocations of the hour did. */
interface Finished {
  share: number;
  outputs: number;
}

function simulatedObjects({ objects, minSize, maxSize, settings }: HourOptions): number {
  const perOutput = settings.targetSize / ((minSize + maxSize) / 2);
  return Math.min(objects, Math.max(MOST_OBJECTS, Math.ceil(MOST_OUTPUTS * perOutput)));
}

function invocationsOf(options: HourOptions, figures: Figures, sample: Transfer): SimulatedHour {
  const { objects, memory } = options;
  const factor = objects / sample.objects;
  const transfer = { ...sample, seconds: sample.seconds * factor, bytes: sample.bytes * factor };
  const outputs = sample.outputs * factor;

  const { lambda } = figures;
  let [left, invocations, seconds, billed] = [transfer.seconds, 0, 0, 0];
  while (left > 0) {
    const share = 1 - left / transfer.seconds;
    const writtenOutput = { share, outputs: outputs * share };
    const start = invocations === 0 ? lambda.coldStart : 0;
    const before = start + overhead({ ...options, writtenOutput }, figures);
    const end = endingOf(figures);
    const room = lambda.timeout - lambda.lastCall - lambda.safety * sample.slowestOutput - before;
    if (before + left + end <= lambda.timeout - lambda.lastCall) {
      seconds += before + left + end;
      billed += before + left + end;
      left = 0;
    } else {
      if (room <= 0) return { fits: false, why: 'no progress', needed: before };
      const took = before + room + sample.slowestOutput;
      seconds += took + lambda.dispatch;
      billed += took;
      left -= room;
    }
    invocations++;
  }
  const gbSeconds = (billed * memory) / 1024;
  const dollars = gbSeconds * lambda.dollarsPerGbSecond + invocations * lambda.dollarsPerInvocation;
  return {
    fits: true,
    seconds,
    invocations,
    dollars,
    bytes: transfer.bytes,
    ...limits(options, transfer, figures),
  };
}

/** Bytes that a function needs. */
export function memoryOf(options: HourOptions, { memory }: Figures): number {
  const { objects, settings } = options;
  return (
    memory.base +
    memory.beside +
    memory.perOutput * settings.outputsInFlight +
    memory.perConnection * maxSockets(settings) +
    memory.perPlanned * plannedAhead(options) +
    memory.perObject * objects
  );
}

/** Objects in memory at once: of outputs that are planned, twice those in flight, and the pages listed beyond. */
function plannedAhead({ objects, minSize, maxSize, settings }: HourOptions): number {
  const perOutput = settings.targetSize / ((minSize + maxSize) / 2);
  return Math.min(objects, 2 * settings.outputsInFlight * perOutput + PAGES_AHEAD * PAGE);
}

/**
 * What comes before the first download: the destination's listing, and that of the source up to the first object that
 * is not rolled up yet; of what is, a HEAD each. The rest of the listing goes on beside the downloads.
 */
function overhead(
  { objects, memory, settings, writtenOutput }: HourOptions & { writtenOutput: Finished },
  figures: Figures,
): number {
  const { cpu, latency } = figures;
  const passed = objects * writtenOutput.share;
  const listing = Math.ceil((passed + 1) / PAGE) * meanLatency(latency.list);
  const heads = (writtenOutput.outputs * meanLatency(latency.get)) / (2 * settings.outputsInFlight);
  const work = passed * cpu.perListed + writtenOutput.outputs * cpu.perFinished;
  const destination = Math.ceil((writtenOutput.outputs + 1) / PAGE) * meanLatency(latency.list);
  return destination + Math.max(listing, heads, work / cpuRate(memory, figures));
}

/** The index, the manifest, and the listing of open uploads. */
function endingOf({ latency }: Figures): number {
  return 2 * meanLatency(latency.put) + meanLatency(latency.list);
}

function limits(
  { objects, memory }: HourOptions,
  { bytes }: Transfer,
  figures: Figures,
): { cpuSeconds: number; networkSeconds: number } {
  const { cpu, network } = figures;
  const work = objects * cpu.perObject + bytes * (cpu.perByteIn + cpu.perByteOut);
  return {
    cpuSeconds: work / cpuRate(memory, figures),
    networkSeconds: (bytes * (network.shared ? 2 : 1)) / network.bandwidth,
  };
}

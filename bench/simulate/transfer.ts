import { PARTS_IN_FLIGHT } from '../../lambda/settings/settings.ts';
import { type Settings } from '../../lambda/settings/table.ts';
import { seededRandom } from '../random.ts';
import { Events, Server } from './events.ts';
import type { Figures } from './figures.ts';
import { latencies } from './latency.ts';

/** Bytes that a connection transfers before it is the next one's turn. */
const SLICE = 128 * 1024;

export interface Sizes {
  minSize: number;
  maxSize: number;
}

export interface TransferOptions extends Sizes {
  /** Number of objects, which are simulated one by one. */
  objects: number;
  /** Memory of the function in MB, as Lambda counts them. */
  memory: number;
  settings: Pick<Settings, 'concurrency' | 'outputsInFlight' | 'targetSize' | 'partSize'>;
  figures: Figures;
  seed: number;
}

export interface Transfer {
  /** Time from the first download to the last upload. */
  seconds: number;
  objects: number;
  bytes: number;
  outputs: number;
  /** Time of the slowest output, from its beginning to its end. */
  slowestOutput: number;
}

/** CPU seconds of the measured machine's core that this function does in one second. */
export function cpuRate(memory: number, { cpu, lambda }: Figures): number {
  const cores = memory / lambda.memoryOfOneCore;
  // One thread does nearly all the work, and cannot use more than one core.
  return lambda.coreRatio * Math.min(cores, 1 / cpu.mainThreadShare);
}

/**
 * Every download and every part of an upload, as events: a slot, CPU for the request, S3's latency, the network, CPU
 * for the bytes. CPU and network serve a slice of each connection in turn; latencies run side by side.
 */
export function simulateTransfer(options: TransferOptions): Transfer {
  const { memory, settings, figures, seed } = options;
  const { cpu: cost, latency, network } = figures;
  const events = new Events();
  const core = new Server(events, cpuRate(memory, figures));
  const inbound = new Server(events, network.bandwidth);
  const outbound = network.shared ? inbound : new Server(events, network.bandwidth);
  const getLatency = latencies(latency.get, seed + 1);
  const putLatency = latencies(latency.put, seed + 2);
  const outputs = pack(options);
  const waiting: (() => void)[] = [];
  let [downloads, gets, puts, next, slowestOutput] = [0, 0, 0, 0, 0];

  function download(size: number, done: () => void): void {
    const first = getLatency(gets++);
    let left = size;
    const receive = (): void => {
      const slice = Math.min(SLICE, left);
      left -= slice;
      const earliest = events.now + slice / network.perConnection;
      inbound.serve(slice, () => {
        events.at(Math.max(events.now, earliest), () => {
          core.serve(slice * cost.perByteIn, left > 0 ? () => undefined : done);
          if (left > 0) receive();
        });
      });
    };
    core.serve(cost.perObject, () => {
      events.at(events.now + first, receive);
    });
  }

  function startDownloads(): void {
    while (downloads < settings.concurrency) {
      const start = waiting.shift();
      if (start === undefined) return;
      downloads++;
      start();
    }
  }

  function request(size: number, done: () => void): void {
    const answer = putLatency(puts++);
    const send = (left: number): void => {
      const slice = Math.min(SLICE, left);
      core.serve(slice * cost.perByteOut, () => {
        outbound.serve(slice, () => {
          if (left > slice) send(left - slice);
          else events.at(events.now + answer, done);
        });
      });
    };
    core.serve(cost.perRequestOut, () => {
      send(size);
    });
  }

  function upload(size: number, done: () => void): void {
    const parts = Math.ceil(size / settings.partSize);
    if (parts === 1) {
      request(size, done);
      return;
    }
    let [begun, ended] = [0, 0];
    const part = (): void => {
      if (begun === parts) return;
      const length = Math.min(settings.partSize, size - begun++ * settings.partSize);
      request(length, () => {
        if (++ended === parts) request(0, done);
        else part();
      });
    };
    // The upload is created first and completed last.
    request(0, () => {
      for (let i = 0; i < PARTS_IN_FLIGHT; i++) part();
    });
  }

  function assemble(): void {
    const sizes = outputs[next++];
    if (sizes === undefined) return;
    const began = events.now;
    let missing = sizes.length;
    for (const size of sizes) {
      waiting.push(() => {
        download(size, () => {
          downloads--;
          startDownloads();
          if (--missing > 0) return;
          const total = sizes.reduce((sum, each) => sum + each, 0);
          upload(total, () => {
            slowestOutput = Math.max(slowestOutput, events.now - began);
            assemble();
          });
        });
      });
    }
    startDownloads();
  }

  for (let i = 0; i < settings.outputsInFlight; i++) assemble();
  events.run();
  const bytes = outputs.flat().reduce((sum, size) => sum + size, 0);
  return { seconds: events.now, objects: options.objects, bytes, outputs: outputs.length, slowestOutput };
}

/** Sizes of the objects of each output. */
function pack({ objects, minSize, maxSize, settings, seed }: TransferOptions): number[][] {
  const random = seededRandom(seed);
  const outputs: number[][] = [];
  let filled = Infinity;
  for (let i = 0; i < objects; i++) {
    const size = minSize + random() * (maxSize - minSize);
    if (filled >= settings.targetSize) {
      outputs.push([]);
      filled = 0;
    }
    outputs.at(-1)?.push(size);
    filled += size;
  }
  return outputs;
}

import { join } from 'node:path';
import type { Settings } from '../lambda/settings/table.ts';
import { type Start, flagsOf } from './process/node-flags.ts';
import { watch } from './process/watch.ts';
import { Worker } from './process/worker.ts';
import { BUCKET, OUTPUT_PREFIX, RAW_PREFIX, type Seen, type Stream } from './server/bench-server.ts';
import type { RemoteServer } from './server/remote-server.ts';
import type { Used, VariantOrder } from './variants/variant-process.ts';
import type { VariantName } from './variants/variant.ts';

/** Figures of one run of one variant over all objects. */
export interface Measured {
  objects: number;
  bytes: number;
  cpuSeconds: number;
  /** CPU of the process from its start, the loading of its modules included; absent if the system does not tell. */
  processCpuSeconds?: number;
  wallSeconds: number;
  rssBytes: number;
  /** Absent if the system does not tell. */
  fileDescriptors?: number;
  /** Share of the CPU time that the thread with JavaScript took. */
  mainThreadShare?: number;
  /** Connections, counted by the server. */
  connections: number;
  requests: number;
  serverCpuSeconds: number;
}

/** Runs a variant in a process of its own, and checks that its outputs are the raw objects, byte for byte. */
export async function measure(
  server: RemoteServer,
  name: VariantName,
  settings: Settings,
  start: Start = 'own',
): Promise<Measured> {
  await server.reset();
  const worker = new Worker<VariantOrder>(
    join(import.meta.dirname, 'variants/variant-process.ts'),
    server.environment,
    [...flagsOf(name, start), ...process.execArgv],
  );
  try {
    await worker.ask({ type: 'load', name });
    const watching = watch(worker.pid);
    const job = { bucket: BUCKET, source: RAW_PREFIX, destination: OUTPUT_PREFIX, settings };
    const used = await worker.ask<Used>({ type: 'run', job }).finally(() => watching.stop());
    const seen = await server.seen();
    checkOutputs(name, server.raw, seen.outputs);
    return describe(server.raw, used, seen, watching.stop());
  } finally {
    await worker.end();
  }
}

function describe(
  raw: Stream,
  used: Used,
  seen: Seen,
  watched: ReturnType<ReturnType<typeof watch>['stop']>,
): Measured {
  const { fileDescriptors, mainThreadSeconds, cpuSeconds } = watched;
  return {
    objects: raw.objects,
    bytes: raw.bytes,
    ...used,
    ...(fileDescriptors !== undefined && { fileDescriptors }),
    ...(cpuSeconds !== undefined && { processCpuSeconds: cpuSeconds }),
    ...(mainThreadSeconds !== undefined &&
      cpuSeconds !== undefined && { mainThreadShare: mainThreadSeconds / cpuSeconds }),
    connections: seen.peakConnections,
    requests: seen.requests,
    serverCpuSeconds: seen.cpuSeconds,
  };
}

/** Throws unless the joined outputs have the length and the CRC-32 of the joined raw objects. */
export function checkOutputs(name: string, raw: Stream, outputs: Stream): void {
  if (outputs.bytes === raw.bytes && outputs.crc32 === raw.crc32) return;
  const text = ({ bytes, crc32 }: Stream): string => `${bytes} bytes of CRC-32 ${crc32.toString(16)}`;
  throw new Error(`The outputs of ${name} are ${text(outputs)}, the raw objects ${text(raw)}.`);
}

import type { Measured } from '../measure.ts';

/** Figures that are compared: medians of several runs. Memory is in bytes; a GB is 10^9 bytes. */
export interface Summary {
  cpuSecondsPerGb: number;
  cpuSecondsPer1000Objects: number;
  /** Of the process from its start, the loading of its modules included. */
  processCpuSecondsPerGb: number | undefined;
  wallSeconds: number;
  rssBytes: number;
  fileDescriptors: number | undefined;
  connections: number;
  requests: number;
  serverCpuSecondsPerGb: number;
  /** The server's CPU time divided by wall time. Near 1, all clients wait for its one thread. */
  serverLoad: number;
  mainThreadShare: number | undefined;
}

export function summarize(runs: Measured[]): Summary {
  const of = (figure: (run: Measured) => number): number => median(runs.map(figure));
  const ifKnown = (figure: (run: Measured) => number | undefined): number | undefined => {
    const known = runs.map(figure).filter((value) => value !== undefined);
    return known.length === 0 ? undefined : median(known);
  };
  return {
    cpuSecondsPerGb: of(({ cpuSeconds, bytes }) => cpuSeconds / (bytes / 1e9)),
    cpuSecondsPer1000Objects: of(({ cpuSeconds, objects }) => cpuSeconds / (objects / 1000)),
    processCpuSecondsPerGb: ifKnown(
      ({ processCpuSeconds, bytes }) => processCpuSeconds && processCpuSeconds / (bytes / 1e9),
    ),
    wallSeconds: of(({ wallSeconds }) => wallSeconds),
    rssBytes: of(({ rssBytes }) => rssBytes),
    fileDescriptors: ifKnown(({ fileDescriptors }) => fileDescriptors),
    connections: of(({ connections }) => connections),
    requests: of(({ requests }) => requests),
    serverCpuSecondsPerGb: of(({ serverCpuSeconds, bytes }) => serverCpuSeconds / (bytes / 1e9)),
    serverLoad: of(({ serverCpuSeconds, wallSeconds }) => serverCpuSeconds / wallSeconds),
    mainThreadShare: ifKnown(({ mainThreadShare }) => mainThreadShare),
  };
}

export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)] ?? NaN;
  const lower = sorted[Math.ceil(sorted.length / 2) - 1] ?? NaN;
  return (upper + lower) / 2;
}

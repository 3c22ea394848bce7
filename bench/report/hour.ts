import type { RunResult } from '../../lambda/run.ts';
import type { machine } from '../options.ts';
import { type Watched } from '../process/watch.ts';

import type { Stream } from '../server/bench-server.ts';
import { formatMegabytes, formatNumber, formatTable } from './table.ts';

export interface Hour {
  machine: ReturnType<typeof machine>;
  raw: Stream;
  first: Ended<RunResult>;
  serverCpuSeconds: number;
  verified: Ended<{ status: string }>;
  again: Ended<RunResult>;
}

export function formatHour({ machine, raw, first, serverCpuSeconds, verified, again }: Hour): string {
  const row = (name: string, status: string, { used, seconds }: Ended<unknown>): string[] => [
    name,
    status,
    formatNumber(seconds),
    used.cpuSeconds === undefined ? '' : formatNumber(used.cpuSeconds),
    used.rssBytes === undefined ? '' : formatMegabytes(used.rssBytes),
    String(used.fileDescriptors ?? ''),
  ];
  const { result } = first;
  const { list, get, put, retries } = result.requests;
  return [
    `${raw.objects.toLocaleString('en-US')} objects, ${formatNumber(raw.bytes / 1e9)} GB, into ${result.outputs} outputs; ` +
      `Node ${machine.node}, ${machine.cores} cores, ${machine.date}`,
    '',
    formatTable(
      ['command', 'ends as', 'time, s', 'CPU, s', 'peak RSS, MB', 'descriptors'],
      [
        row('run', result.status, first),
        row('verify', verified.result.status, verified),
        row('run again', again.result.status, again),
      ],
    ),
    '',
    `${list.toLocaleString('en-US')} list, ${get.toLocaleString('en-US')} get and ${put.toLocaleString('en-US')} put requests, ` +
      `${retries} retries; ${result.peak.connections} connections; the server took ${formatNumber(serverCpuSeconds)} CPU s.`,
  ].join('\n');
}

/** The JSON that a command printed, and the usage of its process in all: loading, work and exit. */
export interface Ended<Result> {
  result: Result;
  used: Watched;
  seconds: number;
}

import { extract, parseHour, rollUp, verify } from '../lambda/rollup/index.ts';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readHourStatus } from '../bin/operator/hour-status.ts';
import { DEFAULT_SETTINGS } from '../lambda/settings/settings.ts';
import { formatColumns, formatCount } from '../bin/output/output.ts';
import { LAMBDA_FLAGS } from './process/node-flags.ts';
import { DESTINATION, MadeUpStore, SOURCE, keyOf } from './server/made-up-store.ts';

/**
 * Memory and CPU of the first run of an hour and of later ones, by how many sources are committed:
 * `node bench/index-memory.ts 300000 1000000`. Each run is a process of its own, started as Lambda starts Node in
 * 1,024 MB. Raw objects are made up as they are listed and read, the index and the manifest are files, and of outputs only
 * size and checksum are kept, so that the memory of the store is not measured with the run's.
 */

const RUNS = ['first', 'unchanged', 'late', 'status', 'verify', 'extract', 'delete', 'repack'] as const;
type Run = (typeof RUNS)[number];

interface Measured {
  status: string;
  rssMiB: number;
  cpuSeconds: number;
  seconds: number;
}

async function measureAll(counts: number[]): Promise<void> {
  const rows = [['sources', 'run', 'peak RSS', 'of the first', 'CPU', 'time']];
  for (const count of counts) {
    const folder = mkdtempSync(join(tmpdir(), 'index-memory-'));
    let first = 0;
    for (const run of RUNS) {
      const measured = await inChild(run, count, folder);
      if (measured === undefined) {
        rows.push([formatCount(count), `${run} (out of memory)`, '', '', '', '']);
        continue;
      }
      const { status, rssMiB, cpuSeconds, seconds } = measured;
      if (run === 'first') first = rssMiB;
      const share = (rssMiB / first).toFixed(2);
      const times = [cpuSeconds, seconds].map((time) => `${time.toFixed(1)} s`);
      rows.push([formatCount(count), `${run} (${status})`, `${rssMiB.toFixed(0)} MiB`, share, ...times]);
    }
    rmSync(folder, { recursive: true });
  }
  console.log(formatColumns(rows, 'rlrrrr'));
}

async function inChild(run: Run, count: number, folder: string): Promise<Measured | undefined> {
  const child = fork(import.meta.filename, ['run', run, String(count), folder], { execArgv: LAMBDA_FLAGS });
  const [measured] = (await Promise.race([once(child, 'message'), once(child, 'exit').then(() => [])])) as [
    Measured?,
  ];
  return measured;
}

async function measureRun(run: Run, count: number, folder: string): Promise<void> {
  const began = performance.now();
  const store = new MadeUpStore(folder, count, !['first', 'unchanged'].includes(run));
  const status = await carryOut(run, store, count);
  store.save();
  const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage();
  const seconds = (performance.now() - began) / 1000;
  const measured: Measured = {
    status,
    rssMiB: maxRSS / 1024,
    cpuSeconds: (userCPUTime + systemCPUTime) / 1e6,
    seconds,
  };
  if (process.send === undefined) console.log(measured);
  else process.send(measured);
}

async function carryOut(run: Run, store: MadeUpStore, count: number): Promise<string> {
  const { signal } = new AbortController();
  switch (run) {
    case 'status': {
      const at = { source: SOURCE, destination: DESTINATION };
      return (await readHourStatus({ store }, parseHour('2026-11-21T08'), at, new Date())).state;
    }
    case 'verify': {
      const context = { store, deep: false, concurrency: 16, progress: () => undefined, signal };
      return (await verify(DESTINATION, context)).status;
    }
    case 'extract': {
      const { source } = await extract(store, DESTINATION, keyOf(count - 1));
      return source.key === keyOf(count - 1) ? 'found' : 'another';
    }
    case 'first':
    case 'unchanged':
    case 'late':
    case 'delete':
    case 'repack': {
      const settings = { ...DEFAULT_SETTINGS, targetSize: 500_000, deleteSource: run === 'delete' };
      const request = { source: SOURCE, destination: DESTINATION, repack: run === 'repack' };
      const rest = { now: () => new Date(), report: () => undefined, hasTime: () => true, signal };
      return (await rollUp(request, { store, settings, ...rest })).status;
    }
  }
}

const [mode, ...rest] = process.argv.slice(2);
if (mode === 'run') await measureRun(rest[0] as Run, Number(rest[1]), rest[2] ?? '');
else await measureAll([mode ?? '300000', ...rest].map(Number));

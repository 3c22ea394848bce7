import { readFileSync, readdirSync } from 'node:fs';

/** Peaks and CPU time of another process, seen from outside. Absent on systems without /proc. */
export interface Watched {
  fileDescriptors?: number;
  /** The kernel's own high-water mark. */
  rssBytes?: number;
  /** User and system time of all threads. */
  cpuSeconds?: number;
  /** The part of the first thread, which runs JavaScript. */
  mainThreadSeconds?: number;
}

const SAMPLE_MS = 50;
/** Unit of CPU time in /proc; 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

/** Samples a process until `stop` is called. It costs that process nothing. */
export function watch(pid: number): { stop: () => Watched } {
  const watched: Watched = {};
  const sample = (): void => {
    try {
      const open = readdirSync(`/proc/${pid}/fd`).length;
      watched.fileDescriptors = Math.max(watched.fileDescriptors ?? 0, open);
      const [, kilobytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
      if (kilobytes !== undefined) watched.rssBytes = Number(kilobytes) * 1024;
      watched.cpuSeconds = cpuSeconds(`/proc/${pid}/stat`);
      watched.mainThreadSeconds = cpuSeconds(`/proc/${pid}/task/${pid}/stat`);
    } catch {
      // The process has ended, or this is not Linux.
    }
  };
  sample();
  const timer = setInterval(sample, SAMPLE_MS);
  return {
    stop: () => {
      sample();
      clearInterval(timer);
      return watched;
    },
  };
}

/** https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html: utime and stime, the 12th and 13th behind the name. */
function cpuSeconds(path: string): number {
  const stat = readFileSync(path, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

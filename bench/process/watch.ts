import { readFileSync, readdirSync } from 'node:fs';

/** What another process used at most, seen from outside; absent where there is no /proc. */
export interface Watched {
  fileDescriptors?: number;
  /** The kernel's own high-water mark. */
  rssBytes?: number;
  /** User + system, all threads. */
  cpuSeconds?: number;
  /** Of these, what the first thread used: the one that runs JavaScript. */
  mainThreadSeconds?: number;
}

const SAMPLE_MS = 50;
/** What /proc counts CPU time in; 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

/** Samples a process until `stop`. It costs that process nothing. */
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
      // It has ended, or this is not Linux.
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

import { SingleBar } from 'cli-progress';
import type { WriteStream } from 'node:tty';
import { printable } from '../../lambda/printable.ts';
import { formatLines } from './output.ts';

/** The progress of a command. */
export interface Progress {
  phase: string;
  /** Between 0 and 1; undefined while the total is not known. */
  done?: number | undefined;
  /** For one line of a terminal, about 40 characters. */
  brief: string;
  /** For a line of a log. */
  full: string;
}

/** Seconds of work after which the rest can be told from it. */
const KNOWN_AFTER = 2;

/**
 * The time that the rest takes at the rate so far: `1:05 left`, `2:10:00 left`.
 *
 * @returns undefined while it cannot be told, and where nothing is left
 */
export function formatTimeLeft({
  done,
  total,
  seconds,
}: {
  done: number;
  total: number;
  seconds: number;
}): string | undefined {
  if (seconds < KNOWN_AFTER || done <= 0 || done >= total) return undefined;
  const left = Math.ceil(((total - done) / done) * seconds);
  const [h, m, s] = [Math.floor(left / 3600), Math.floor(left / 60) % 60, left % 60];
  const two = (part: number): string => String(part).padStart(2, '0');
  return `${h === 0 ? `${m}:${two(s)}` : `${h}:${two(m)}:${two(s)}`} left`;
}

export interface ProgressDisplay {
  update(): void;
  /** Stops after a success; if stderr is no terminal, a last line says what was done. */
  finish(): void;
  /** Stops, and leaves a terminal as it was. */
  stop(): void;
}

/** The stream that progress is written to, a terminal or not. */
export type ProgressStream = Pick<WriteStream, 'write'> & { isTTY?: boolean; columns?: number };

const LINE_MS = 3_000;
const BAR_WIDTH = 16;
const PHASE_WIDTH = 11;

/**
 * Shows a bar on a terminal; otherwise writes a line at every new phase and every few seconds. `read` gives the state.
 */
export function showProgress(
  read: () => Progress,
  { enabled, stream = process.stderr }: { enabled: boolean; stream?: ProgressStream },
): ProgressDisplay {
  if (!enabled) return { update: () => undefined, finish: () => undefined, stop: () => undefined };
  return stream.isTTY === true ? showBar(read, stream as WriteStream) : showLines(read, stream);
}

function showLines(read: () => Progress, stream: ProgressStream): ProgressDisplay {
  let phase = '';
  const write = (): void => {
    const progress = read();
    phase = progress.phase;
    const percentage = progress.done === undefined ? '' : `${Math.floor(progress.done * 100)}%, `;
    stream.write(formatLines([`${phase}: ${percentage}${progress.full}`]));
  };
  const timer = setInterval(write, LINE_MS).unref();
  return {
    update: () => {
      if (read().phase === phase) return;
      timer.refresh();
      write();
    },
    finish: () => {
      clearInterval(timer);
      stream.write(formatLines([`done: ${read().full}`]));
    },
    stop: () => {
      clearInterval(timer);
    },
  };
}

function showBar(read: () => Progress, stream: WriteStream): ProgressDisplay {
  const bar = new SingleBar({
    stream,
    barsize: BAR_WIDTH,
    barCompleteChar: '\u2588',
    barIncompleteChar: '\u2591',
    clearOnComplete: true,
    // Cursor, line wrapping and signals stay untouched, so that a killed command leaves the terminal as it was.
    hideCursor: false,
    linewrap: true,
    gracefulExit: false,
    format: (options, { progress }) => {
      const { phase, done, brief, full } = read();
      const filled = Math.round(progress * BAR_WIDTH);
      const drawn =
        String(options.barCompleteString).slice(0, filled) +
        String(options.barIncompleteString).slice(0, BAR_WIDTH - filled);
      const percentage = done === undefined ? '    ' : `${Math.floor(done * 100)}%`.padStart(4);
      const start = `${phase.padEnd(PHASE_WIDTH)} ${drawn} ${percentage}  `;
      const room = stream.columns - start.length - 1;
      return printable(start + (full.length <= room ? full : brief.slice(0, Math.max(0, room))));
    },
  });
  bar.start(1, 0);
  return {
    update: () => {
      bar.update(read().done ?? 0);
    },
    finish: () => {
      bar.stop();
    },
    stop: () => {
      bar.stop();
    },
  };
}

import { readdirSync } from 'node:fs';

/** The highest use during a run. */
export interface Peaks {
  /** Open file descriptors of the process; absent on systems without /proc. */
  fileDescriptors?: number;
  /** Open connections to S3. */
  connections: number;
  /** Resident memory of the process. */
  rssBytes: number;
}

const SAMPLE_MS = 500;
/** Milliseconds after a new peak of connections until descriptors are counted: a start opens dozens, one behind another. */
const PEAK_MS = 20;

/** The number of open file descriptors of this process; undefined where there is no /proc. */
export function openDescriptors(): number | undefined {
  try {
    // One of them is that of this listing.
    return readdirSync('/proc/self/fd').length - 1;
  } catch {
    return undefined;
  }
}

/**
 * Measures connections, descriptors and memory. Connections are counted when they open, so their peak is exact. Descriptors
 * and memory are sampled twice a second, and descriptors also after a new peak of connections: reading either takes the kernel
 * as long as a small request takes here.
 */
export class Gauge {
  #peaks: Peaks = { connections: 0, rssBytes: 0 };
  #connections = 0;
  #timer: NodeJS.Timeout | undefined;
  #afterPeak: NodeJS.Timeout | undefined;

  /** Forgets the peaks and begins with what is in use now. */
  start(): void {
    this.#peaks = { connections: this.#connections, rssBytes: 0 };
    this.#sample();
    this.#timer ??= setInterval(() => {
      this.#sample();
    }, SAMPLE_MS).unref();
  }

  /** The peaks since `start`, while it goes on. */
  get peaks(): Peaks {
    this.#sample();
    return { ...this.#peaks };
  }

  /** The peaks since `start`. */
  stop(): Peaks {
    clearInterval(this.#timer);
    clearTimeout(this.#afterPeak);
    this.#timer = undefined;
    this.#afterPeak = undefined;
    this.#sample();
    return { ...this.#peaks };
  }

  connectionOpened(): void {
    this.#connections++;
    if (this.#connections <= this.#peaks.connections) return;
    this.#peaks.connections = this.#connections;
    this.#afterPeak ??= setTimeout(() => {
      this.#afterPeak = undefined;
      this.#sampleDescriptors();
    }, PEAK_MS).unref();
  }

  connectionClosed(): void {
    this.#connections--;
  }

  get connections(): number {
    return this.#connections;
  }

  #sample(): void {
    this.#peaks.rssBytes = Math.max(this.#peaks.rssBytes, process.memoryUsage.rss());
    this.#sampleDescriptors();
  }

  #sampleDescriptors(): void {
    const open = openDescriptors();
    if (open !== undefined) this.#peaks.fileDescriptors = Math.max(this.#peaks.fileDescriptors ?? 0, open);
  }
}

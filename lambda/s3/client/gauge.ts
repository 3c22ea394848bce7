import { readdirSync } from 'node:fs';

/** The most that a run used at one time. `fileDescriptors` is absent where the system does not tell. */
export interface Peaks {
  fileDescriptors?: number;
  connections: number;
  rssBytes: number;
}

const SAMPLE_MS = 100;

/** Descriptors that this process has open; undefined where there is no /proc. */
export function openDescriptors(): number | undefined {
  try {
    // One of them is the listing's own.
    return readdirSync('/proc/self/fd').length - 1;
  } catch {
    return undefined;
  }
}

/**
 * Watches what the process uses. Connections are counted as they open, so their peak is exact; descriptors and
 * memory are sampled ten times a second, and descriptors at every new peak of connections too.
 */
export class Gauge {
  #peaks: Peaks = { connections: 0, rssBytes: 0 };
  #connections = 0;
  #timer: NodeJS.Timeout | undefined;

  /** Begins afresh, at what is in use now. */
  start(): void {
    this.#peaks = { connections: this.#connections, rssBytes: 0 };
    this.#sample();
    this.#timer ??= setInterval(() => {
      this.#sample();
    }, SAMPLE_MS).unref();
  }

  /** The peaks since `start`. */
  stop(): Peaks {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#sample();
    return { ...this.#peaks };
  }

  connectionOpened(): void {
    this.#connections++;
    if (this.#connections <= this.#peaks.connections) return;
    this.#peaks.connections = this.#connections;
    this.#sampleDescriptors();
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

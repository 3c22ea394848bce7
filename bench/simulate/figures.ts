import type { LatencyOptions } from './latency.ts';

/**
 * What the model is fed with, all in one place. `MEASURED` comes from this benchmark, the rest is assumed; each can
 * be replaced when a deployed function has shown its own figures. Seconds, bytes, US dollars.
 */
export interface Figures {
  /** Of the client, on one core of the machine that was measured on. */
  cpu: {
    /** Signing, sending, parsing and landing one GET, with its share of plan and manifest. */
    perObject: number;
    /** Receiving: TLS, landing, CRC-32. */
    perByteIn: number;
    /** Sending: checksum, TLS. */
    perByteOut: number;
    /** One upload request besides its bytes. */
    perRequestOut: number;
    /** Listing and planning one object that is rolled up already. */
    perListed: number;
    /** Looking at one output that is there already. */
    perFinished: number;
    /** Of all CPU time, what the JavaScript thread takes: it has one core at most. */
    mainThreadShare: number;
  };
  memory: {
    base: number;
    /** A slab. */
    perOutput: number;
    perConnection: number;
    /** Of the index of sources. */
    perObject: number;
    /** What the kernel and the runtime need beside the process. */
    beside: number;
  };
  latency: {
    /** From a GET to its first byte. */
    get: LatencyOptions;
    /** From a part's last byte to its answer; likewise create and complete. */
    put: LatencyOptions;
    /** A page of a listing. */
    list: LatencyOptions;
  };
  network: {
    /** Bytes a second, each way. */
    bandwidth: number;
    /** Whether both ways share the one. */
    shared: boolean;
    /** Bytes a second of one connection. */
    perConnection: number;
  };
  lambda: {
    /** Memory that comes with one core. */
    memoryOfOneCore: number;
    /** Speed of its core by that of the machine that was measured on. */
    coreRatio: number;
    timeout: number;
    /** Kept of the timeout for a clean end; see lambda/deadline.ts. */
    lastCall: number;
    /** An output is begun while there is time for this many of the slowest. */
    safety: number;
    coldStart: number;
    /** From a continuation message to its invocation. */
    handOver: number;
    dollarsPerGbSecond: number;
    dollarsPerInvocation: number;
  };
}

const MB = 1e6;

/** Measured on 2026-11-21 by `npm run bench`, `-- scale` and `-- hour`: Node 24, a shared two-core machine. */
const MEASURED = {
  cpu: {
    perObject: 0.35e-3,
    perByteIn: 2.2e-9,
    perByteOut: 1.7e-9,
    perRequestOut: 1e-3,
    perListed: 0.03e-3,
    perFinished: 1e-3,
    mainThreadShare: 0.8,
  },
  memory: { base: 180 * MB, perOutput: 34 * MB, perConnection: 0.5 * MB, perObject: 100, beside: 40 * MB },
};

export const FIGURES: Figures = {
  ...MEASURED,
  latency: {
    // The 99th percentile is the tail.
    get: { median: 0.03, p99: 0.2 },
    put: { median: 0.06, p99: 0.4 },
    list: { median: 0.06, p99: 0.3 },
  },
  // Firecracker limits each way by itself: https://github.com/firecracker-microvm/firecracker/blob/main/docs/design.md
  network: { bandwidth: 75 * MB, shared: false, perConnection: 40 * MB },
  lambda: {
    // https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
    memoryOfOneCore: 1769,
    coreRatio: 1,
    timeout: 900,
    lastCall: 5,
    safety: 1.5,
    coldStart: 1.5,
    handOver: 1,
    // us-east-1, ARM, on demand, November 2026: https://aws.amazon.com/lambda/pricing/
    dollarsPerGbSecond: 0.0000133334,
    dollarsPerInvocation: 0.2e-6,
  },
};

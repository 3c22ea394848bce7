import type { LatencyOptions } from './latency.ts';

/**
 * All inputs of the model. `MEASURED` comes from this benchmark, the rest is assumed; each can be replaced by figures of a
 * deployed function. Units are seconds, bytes and US dollars.
 */
export interface Figures {
  /** CPU time of the client, on one core of the machine that was measured. */
  cpu: {
    /** Signing, sending, parsing and storing one GET, with its share of plan and manifest. */
    perObject: number;
    /** Receiving a byte: TLS, copying to its offset, CRC-32. */
    perByteIn: number;
    /** Sending a byte: checksum, TLS. */
    perByteOut: number;
    /** One upload request, without its bytes. */
    perRequestOut: number;
    /** Listing and planning one object that is rolled up already. */
    perListed: number;
    /** Looking at one existing output. */
    perFinished: number;
    /** Listing and planning one object that goes into a plan file. */
    perPlanned: number;
    /** Reading one object's line of a plan file, and writing its line of the index. */
    perCommitted: number;
    /** Share of all CPU time that the JavaScript thread takes. It has one core at most. */
    mainThreadShare: number;
  };
  memory: {
    base: number;
    /** The buffer of one output. */
    perOutput: number;
    perConnection: number;
    /** One object that is listed or planned ahead; see `plannedAhead`. */
    perPlanned: number;
    /** One object's share of the index of sources, which stays. */
    perObject: number;
    /** Memory of the kernel and the runtime beside the process. */
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
    /** Bytes a second, in each direction. */
    bandwidth: number;
    /** True if both directions share one bandwidth. */
    shared: boolean;
    /** Bytes a second of one connection. */
    perConnection: number;
  };
  lambda: {
    /** Memory that comes with one core. */
    memoryOfOneCore: number;
    /** Speed of Lambda's core, divided by that of the machine that was measured. */
    coreRatio: number;
    timeout: number;
    /** Seconds of the timeout that are kept for a clean end; see lambda/invocation/deadline.ts. */
    lastCall: number;
    /** An output is begun only if there is time for this many of the slowest one. */
    safety: number;
    coldStart: number;
    /** From a continuation message to its invocation. */
    dispatch: number;
    dollarsPerGbSecond: number;
    dollarsPerInvocation: number;
  };
}

const MB = 1e6;

/**
 * Measured on 2026-11-22 with Node 24 on a two-core machine that others used too:
 * - `npm run bench`: 2.98 CPU s/GB with 3,000 objects, and no more of the floor's with `--start lambda`; 0.25 MB a
 *   connection (`scale`, connections).
 * - `npm run bench -- scale`: 0.24 to 0.33 CPU ms an object with 30,000 to 300,000 of 1.5 KB; what 2.98 CPU s/GB have beyond that are
 *   bytes, shared out as a PUT of the same bytes costs by itself.
 *   The same series shows 2 KB for every object that is planned ahead.
 * - 30,000 objects with the flags of `--start lambda`: 410 MB, more than the command line takes, because the young
 *   generation is 5 % of the function's memory there.
 * - `npm run bench -- hour`: 42 CPU s for 30,000 objects, 90 % of it in the first thread, where 3,000 show 82 %; the run after it, which lists
 *   and reads the index, 1.7 CPU s beyond loading.
 * - `node bench/plan-memory.ts 1000000`: 30 CPU s for a plan of 1,000,000 objects. A line of a plan at its commit is
 *   taken to be a third of that.
 */
const MEASURED = {
  cpu: {
    perObject: 0.3e-3,
    perByteIn: 1.3e-9,
    perByteOut: 0.9e-9,
    perRequestOut: 1e-3,
    perListed: 0.06e-3,
    perFinished: 1e-3,
    perPlanned: 0.03e-3,
    perCommitted: 0.01e-3,
    mainThreadShare: 0.85,
  },
  memory: {
    base: 280 * MB,
    perOutput: 34 * MB,
    perConnection: 0.25 * MB,
    perPlanned: 2000,
    perObject: 100,
    beside: 40 * MB,
  },
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
    dispatch: 1,
    // us-east-1, ARM, on demand, November 2026: https://aws.amazon.com/lambda/pricing/
    dollarsPerGbSecond: 0.0000133334,
    dollarsPerInvocation: 0.2e-6,
  },
};

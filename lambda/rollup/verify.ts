import type { Location } from './location.ts';
import type { Store } from './store.ts';

/** A way in which what is stored is not what was committed, or what was committed is not what is in raw. */
export interface Problem {
  code:
    | 'output-missing'
    | 'output-changed'
    | 'output-checksum'
    | 'output-bytes'
    | 'sources-inconsistent'
    | 'source-late'
    | 'source-changed'
    | 'source-bytes';
  message: string;
  /** Key of the output. */
  output?: string;
  /** Where in the output the first difference is. */
  offset?: number;
  /** Key of the source. */
  source?: string;
}

export interface VerifyReport {
  status: 'ok' | 'mismatch';
  source: string;
  destination: string;
  deep: boolean;
  objects: number;
  bytes: number;
  outputs: number;
  outputBytes: number;
  /** Committed sources that have left raw: only the outputs' own checksums speak for them. */
  expired: number;
  /** Objects of ours in the destination that the manifest does not name; the next run sweeps them. */
  unnamed: number;
  problems: Problem[];
}

export interface VerifyContext {
  store: Store;
  /** Read every byte of both sides. */
  deep: boolean;
  /** Outputs compared at once; each holds a few chunks in memory. */
  concurrency: number;
  /** Told after each output that was read: how much of the whole is done. */
  progress: (done: { outputs: number; bytes: number; totalOutputs: number; totalBytes: number }) => void;
  signal: AbortSignal;
}

/** Compares what is committed under a destination with what is there and with what is in raw. Throws `NoManifest`. */
export function verify(_destination: Location, _context: VerifyContext): Promise<VerifyReport> {
  throw new Error('not written yet');
}

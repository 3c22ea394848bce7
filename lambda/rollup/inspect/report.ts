import { type Endpoints } from '../model/endpoints.ts';

/** A way in which what is stored is not what was committed, or what was committed is not what is in raw. */
export interface VerifyProblem {
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
  /** Committed sources that have left raw, or are archived: only the outputs' own checksums speak for them. */
  expired: number;
  /** Objects of ours in the destination that the manifest does not name; a later run sweeps them. */
  unnamed: number;
  problems: VerifyProblem[];
}

export interface VerifyContext extends Endpoints {
  /** Read every byte of both sides. */
  deep: boolean;
  /** Outputs checked at once; each is compared through two streams. */
  concurrency: number;
  /** Told after each output: how much of the whole is done. */
  progress: (done: { outputs: number; bytes: number; totalOutputs: number; totalBytes: number }) => void;
  signal: AbortSignal;
}

import { type Endpoints } from '../model/endpoints.ts';

/** A difference between the stored outputs and the manifest, or between committed sources and those in raw. */
export interface VerifyProblem {
  /** The kind of difference. */
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
  /** The byte of the output, or of its text, at which the first difference is. */
  offset?: number;
  /** Key of the source. */
  source?: string;
}

/** The result of `verify`. */
export interface VerifyReport {
  /** `ok` if there are no problems. */
  status: 'ok' | 'mismatch';
  /** `s3://` URI of the source prefix. */
  source: string;
  /** `s3://` URI of the destination prefix. */
  destination: string;
  /** True if every byte was read. */
  deep: boolean;
  /** Committed sources. */
  objects: number;
  /** The sum of their sizes, as the manifest has it. */
  bytes: number;
  /** Committed outputs. */
  outputs: number;
  /** The sum of their sizes. */
  outputBytes: number;
  /** Committed sources that have left raw, or are archived: they are checked by the outputs' own checksums alone. */
  expired: number;
  /** Objects of this program in the destination that the manifest does not name; a later run deletes them. */
  unnamed: number;
  problems: VerifyProblem[];
}

/** The stores, bounds and callbacks of `verify`. */
export interface VerifyContext extends Endpoints {
  /** Read every byte of outputs and sources, and compare them. */
  deep: boolean;
  /** Outputs checked at once; each is compared through two streams. */
  concurrency: number;
  /** Called after each output, with how much of the whole is done. */
  progress: (done: { outputs: number; bytes: number; totalOutputs: number; totalBytes: number }) => void;
  /** Ends it: `verify` then throws `Aborted`. */
  signal: AbortSignal;
}

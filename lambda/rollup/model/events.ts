/** What a run tells of itself while it goes on. */
export type RollupEvent =
  /** So far. */
  | { type: 'listed'; objects: number; bytes: number }
  /** All that there is to do, once it is known; the number of outputs is known last. */
  | { type: 'planned'; objects: number; bytes: number; outputs: number | undefined }
  /** Bytes of a source are where they belong: in a buffer, in a copy, or in an output found writtenOutput. */
  | { type: 'read'; objects: number; bytes: number }
  | { type: 'begun'; key: string; bytes: number }
  | { type: 'output'; key: string; how: HowWritten; bytes: number; sources: number }
  | { type: 'lost'; attempt: number }
  | { type: 'committed'; manifest: string }
  | { type: 'swept'; keys: string[] }
  /** Committed sources that have left raw so far because this run deletes them. */
  | { type: 'deleted'; objects: number; bytes: number };

/** How an output came to be in the destination. */
export type HowWritten = 'written' | 'copied' | 'reused';

export type Report = (event: RollupEvent) => void;

/** An event of a run in progress. Bytes and objects are counts of sources, unless an event says otherwise. */
export type RollupEvent =
  /** A page was listed: all objects that were listed so far. */
  | { type: 'listed'; objects: number; bytes: number }
  /** The whole work is known: first its objects and bytes, and in a last event the number of outputs too. */
  | { type: 'planned'; objects: number; bytes: number; outputs: number | undefined }
  /** Bytes of sources are in place: in a buffer, in a copy, or in an existing output. */
  | { type: 'read'; objects: number; bytes: number }
  /** Work on an output begins. */
  | { type: 'begun'; key: string; bytes: number }
  /** An output is complete in the destination. */
  | { type: 'output'; key: string; how: HowWritten; bytes: number; sources: number }
  /** Bytes arrived that are not those of their source, or of the output with this key: they are downloaded again. */
  | { type: 'damaged'; key: string; message: string }
  /** Another run committed first; `attempt` counts from 1. */
  | { type: 'lost'; attempt: number }
  /** A source is of another format than it was planned as: the hour is planned again. */
  | { type: 'mistaken'; message: string }
  /** A committed source has left raw while it was to be read there: the hour is planned again. */
  | { type: 'vanished'; message: string }
  /** The manifest with this key was written. */
  | { type: 'committed'; manifest: string }
  /** Leftovers were deleted from the destination. */
  | { type: 'swept'; keys: string[] }
  /** Committed sources that this run has deleted from raw so far. */
  | { type: 'deleted'; objects: number; bytes: number };

/** `written`: uploaded by this run. `copied`: copied inside S3. `reused`: it existed already. */
export type HowWritten = 'written' | 'copied' | 'reused';

/** Receives the events of a run. */
export type Report = (event: RollupEvent) => void;

import type { Settings } from '../../settings/table.ts';
import { type Endpoints } from '../model/endpoints.ts';
import type { Report } from '../model/events.ts';
import type { Location } from '../model/location.ts';
import { type PlannedOutput } from '../model/output.ts';
import type { ListedObject } from '../model/store.ts';
import type { BufferPool } from './buffer-pool.ts';
import type { DownloadQueue } from './download-queue.ts';

/** The stores, places and settings by which the outputs of a run are written. */
export interface WriteContext extends Endpoints {
  source: Location;
  destination: Location;
  /** The objects that the destination had when it was listed, by key; undefined where it was not listed. */
  present: ReadonlyMap<string, ListedObject> | undefined;
  /** True of an output that is reused by its key and its size, without a proof, if it exists. */
  isTrusted?: (output: PlannedOutput) => boolean;
  /**
   * True if an error means that another run has committed since the plan was made: then no output is written anew.
   *
   * @defaultValue never
   */
  isLost?: (error: unknown) => Promise<boolean>;
  settings: Settings;
  report: Report;
  /** False once no further output should be begun. */
  hasTime: () => boolean;
  /** Ends everything in flight. */
  signal: AbortSignal;
}

/** The bounded resources that all outputs of a writer share. */
export interface WriteResources {
  buffers: BufferPool;
  downloads: DownloadQueue;
  /** Ends everything in flight: the caller's signal, or the first failure of another output. */
  signal: AbortSignal;
}

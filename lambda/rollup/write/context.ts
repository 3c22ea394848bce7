import type { Settings } from '../../settings/table.ts';
import { type Endpoints } from '../model/endpoints.ts';
import type { Report } from '../model/events.ts';
import type { Location } from '../model/location.ts';
import { type PlannedOutput } from '../model/output.ts';
import type { ListedObject } from '../model/store.ts';
import type { BufferPool } from './buffer-pool.ts';
import type { DownloadQueue } from './download-queue.ts';

export interface WriteContext extends Endpoints {
  source: Location;
  destination: Location;
  /** What was in the destination before, by key; undefined where it was not listed. */
  present: ReadonlyMap<string, ListedObject> | undefined;
  /** Whether an output that stands there is taken by its key and its size, without a proof. */
  isTrusted?: (output: PlannedOutput) => boolean;
  settings: Settings;
  report: Report;
  /** False once no further output should be begun. */
  hasTime: () => boolean;
  /** Ends everything in flight. */
  signal: AbortSignal;
}

export interface WriteResources {
  buffers: BufferPool;
  downloads: DownloadQueue;
  signal: AbortSignal;
}

import type { RollupError } from '../../errors.ts';
import type { Settings } from '../../settings/table.ts';
import type { Endpoints } from './endpoints.ts';
import type { Report } from './events.ts';
import type { Location } from './location.ts';
import type { Manifest, Rollup } from './manifest.ts';
import type { ListedObject } from './store.ts';

/** The prefixes to roll up from and to. */
export interface RollupRequest {
  source: Location;
  destination: Location;
  /**
   * Rebuild every output of the hour, in a new generation.
   *
   * @defaultValue false
   */
  repack?: boolean;
  /**
   * Take the source prefix exactly as it is written, with no look at what lies there: also where it ends in the middle of a
   * name and all that it takes in so far lies in the folder of that name, or was committed as that folder. For the filled
   * patterns of streams, whose hours must all mean the same.
   *
   * @defaultValue false: a prefix without a slash may be the folder, see `resolveSource`
   */
  asWritten?: boolean;
  /**
   * Whether the sources are to be deleted from raw, where the request itself says so. `false` stays with the hour: they are
   * kept by later runs too, until a request says `true`. `true` deletes nothing by itself: the settings must say so as well.
   *
   * @defaultValue undefined: as an earlier request for this hour asked, and otherwise as the settings say
   */
  deleteSource?: boolean | undefined;
}

/** All that a run uses besides its request: stores, settings, and the effects that are passed in. */
export interface RollupContext extends Endpoints {
  settings: Settings;
  /**
   * True if existing outputs were written by earlier invocations of the same request. They are then reused without being
   * compared with their sources, so that an hour which takes several invocations comes to its end. Before sources are
   * deleted from raw they are compared all the same.
   *
   * @defaultValue false
   */
  trustExisting?: boolean;
  /**
   * True to sample every source before it is planned, because an earlier plan took one for another format.
   *
   * @defaultValue false: a few of each class of keys are sampled
   */
  samplesAll?: boolean;
  /**
   * True to read committed sources from the outputs that hold them, although they are still in raw: another run may be
   * deleting them there.
   *
   * @defaultValue false
   */
  readsOutputs?: boolean;
  now: () => Date;
  report: Report;
  /**
   * What the run took so far, as user metadata of the manifest, called just before it is written. No output and no key
   * depends on it.
   *
   * @defaultValue the manifest has no user metadata
   */
  describeRun?: ((run: RunSoFar) => Readonly<Record<string, string>>) | undefined;
  /** Returns false once no further output should be begun: the run then ends as `incomplete`. */
  hasTime: () => boolean;
  /** Ends the run: everything in flight is aborted and waited for. */
  signal: AbortSignal;
}

/** What a run knows of itself when it commits. */
export interface RunSoFar {
  /** The most bytes of outputs that were held at one time; undefined where other processes wrote them. */
  peakInFlightBytes: number | undefined;
  /** The time at which its plan was begun, where another process may have made the plan. */
  plannedAt?: Date | undefined;
}

/** The outcome of a run. */
export interface RollupOutcome extends Partial<TidyUpResult> {
  /**
   * - `committed`: a new manifest was written.
   * - `unchanged`: all sources are committed already.
   * - `empty`: there are no sources; a manifest without outputs is committed.
   * - `incomplete`: there was no time for all outputs, and nothing was committed.
   */
  status: 'committed' | 'unchanged' | 'empty' | 'incomplete';
  totals: Manifest['totals'];
  /** Outputs that were uploaded, copied inside S3, and reused: their sum is `totals.outputs`. */
  written: number;
  copied: number;
  reused: number;
  /**
   * Sources of new outputs whose header lines differ from those of the output's first source, or are too few, and so stay
   * where they are. Undefined unless header lines are to be left out.
   */
  headersKept: number | undefined;
  /** Key of the manifest; undefined if nothing is committed. */
  manifest: string | undefined;
  /** The most bytes of outputs that were held in memory at one time. */
  peakInFlightBytes: number;
  /** The source as it was rolled up: the folder, where the request's prefix was written without its slash. */
  source: Location;
  /** What may be a mistake. Empty where nothing was noticed. */
  warnings: RunWarning[];
}

/** The codes of warnings: see `RunWarning`. */
export const RUN_WARNINGS = [
  'NoObjects',
  'AllLeftOut',
  'FolderAndBeside',
  'OutputMissing',
  'UnsafeCommit',
  'PlannedAgain',
  'SourcesKept',
  'LastNewlineMissing',
  'JoinedCompressed',
  'ArrivedDamaged',
] as const;

/**
 * What a run noticed, and went on.
 *
 * - `NoObjects`: nothing is listed under the source, but for empty objects.
 * - `AllLeftOut`: all that is listed is left out by filters, groups or its names.
 * - `FolderAndBeside`: the source's prefix has no slash, and takes in a folder and keys beside it.
 * - `OutputMissing`: committed outputs were not there any more, and were written anew from raw.
 * - `UnsafeCommit`: the store ignores the conditions of writes, by which two runs at once are kept apart.
 * - `PlannedAgain`: a source was of another format than it was planned as.
 * - `SourcesKept`: the settings ask to delete sources, and an earlier request to keep those of this hour: they were kept.
 * - `LastNewlineMissing`: compressed sources that are joined as they are do not end with a newline; `plan` alone says so.
 * - `JoinedCompressed`: outputs are several zstd frames, or bzip2 or xz streams, of which many readers take the first alone.
 * - `ArrivedDamaged`: bytes came with another checksum than S3 has of them, and were downloaded again.
 */
export interface RunWarning {
  code: (typeof RUN_WARNINGS)[number];
  message: string;
  /** Key of the first object that it is about. */
  key?: string;
}

/** The outcome of the work after a commit: markers, leftovers, deletion of sources. */
export interface TidyUpResult {
  /** Undefined unless sources were to be deleted. */
  deleted: Deleted | undefined;
  /** Failures after the commit: the hour is committed all the same. */
  problems: RunProblem[];
}

/** The outcome of deleting sources from raw. */
export interface Deleted {
  /** Objects that were deleted, and their bytes. */
  objects: number;
  bytes: number;
  /** Objects that are left in raw, by the reason. */
  kept: {
    /** Objects that are not in the rollup: they came late, or are empty. */
    uncommitted: number;
    /** Changed after they were rolled up. The next run rolls them up again. */
    changed: number;
    /** In an output that is not as it was committed, or does not hold their bytes. */
    unverified: number;
    /** S3 refused to delete them. */
    refused: number;
  };
  /** False if the deletion ended early, because time ran out or other runs committed in between. */
  complete: boolean;
}

/** A failure after the commit, with which the hour is committed all the same; or a warning. */
export interface RunProblem {
  code: RollupError['code'];
  message: string;
  key?: string;
}

/** The state of a destination before a run lists its sources. */
export interface DestinationState {
  /** The source: that of the request, or the folder of it where it is not `asWritten`. */
  source: Location;
  warnings: RunWarning[];
  /** LIST requests that it took to say what the source is, and what lies near one without objects. */
  lists: number;
  /** The current commit, which the next one replaces; undefined if nothing is committed. */
  previous: Rollup | undefined;
  /** The objects of the destination, by key, listed after the manifest was read. */
  present: Map<string, ListedObject>;
  /** The time at which that listing began. */
  listingBegan: Date;
  /** Keys of outputs that the current commit names and that are not there. */
  missing: ReadonlySet<string>;
}

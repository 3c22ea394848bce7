/**
 * The engine's public face: command line, function and scripts import the engine from here and from no file behind it.
 *
 * - `rollUp` does the whole job in one process. `planAll` tells what it would do, `estimateRequests` what that takes.
 * - `rollUpByPlan` has many processes write the outputs of one hour, in three steps: `planToFile`, `writeItems`,
 *   `commitPlan`.
 * - `verify` and `extract` read what is committed; `restore` writes sources of it to S3 as they were.
 */
export { ATTEMPTS, CommittedVanished, lostToOthers } from './attempts.ts';
export { refuseUnlistable } from './commit/markers.ts';
export { withCommitted } from './committed/read-committed.ts';
export { type RunFigures, formatFigures, parseFigures } from './committed/run-figures.ts';
export { resolveSource } from './committed/resolve-source.ts';
export { commitPlan, isRepacked } from './fan-out/commit-step.ts';
export {
  type PinnedPlan,
  type PlanItem,
  badPlan,
  formatPlanAt,
  itemSchema,
  parsePlanAt,
  planFiles,
} from './fan-out/plan-file.ts';
export { planToFile } from './fan-out/plan-step.ts';
export { readHeader, readItems } from './fan-out/plan-store.ts';
export { type Distribute, rollUpByPlan } from './fan-out/roll-up-by-plan.ts';
export { workersFor } from './fan-out/worker-count.ts';
export { type WriteStep, writeItems } from './fan-out/write-step.ts';
export { type WantedKeys, extract, extractAll } from './inspect/extract.ts';
export { findUnendedText } from './inspect/newline-hint.ts';
export { type VerifyProblem, type VerifyReport } from './inspect/report.ts';
export { type RestoreProgress, type Restored, restore } from './inspect/restore.ts';
export { verify } from './inspect/verify.ts';
export { type Checksum, asCrc32 } from './model/checksum/checksum.ts';
export { combineCrc32 } from './model/checksum/crc32.ts';
export { type Endpoints, sourceStore } from './model/endpoints.ts';
export { type HowWritten, type Report, type RollupEvent } from './model/events.ts';
export {
  type Hour,
  fillHour,
  formatHour,
  hasPlaceholders,
  hourBefore,
  hourEnd,
  hourOfFilled,
  parseHour,
  refuseForeign,
} from './model/hour.ts';
export {
  bucketOf,
  type Location,
  type ObjectAt,
  asFolder,
  formatLocation,
  isFolder,
  isNameOfToday,
  parseLocation,
  parseSource,
  refuseOverlap,
} from './model/location.ts';
export { MANIFEST_NAME, type Manifest, type Rollup, keepSourceOf } from './model/manifest.ts';
export { type Skipped, indexOf } from './model/output.ts';
export {
  type Deleted,
  type RollupContext,
  type RollupOutcome,
  type RollupRequest,
  type RunProblem,
  type RunSoFar,
  RUN_WARNINGS,
  type RunWarning,
} from './model/run.ts';
export { Lookup } from './model/side-by-side.ts';
export {
  type FirstKeys,
  type Found,
  type ListedObject,
  type ObjectHead,
  type ReadFrom,
  type ReadResult,
  type Store,
  type Streamed,
  type Undeleted,
  type UploadContent,
  type Written,
} from './model/store.ts';
export {
  type OutputAction,
  type RequestClass,
  type RequestCounts,
  actionOf,
  estimateRequests,
  isCommitExpected,
} from './plan/estimate.ts';
export { fillSelection } from './plan/fill-selection.ts';
export { type FullPlan, planAll } from './plan/list-and-plan.ts';
export { committedSelector, createSelector } from './plan/select.ts';
export { rollUp } from './rollup.ts';

/**
 * The engine, as a package: `import { rollUp, verify } from 's3-log-rollup'`.
 *
 * - `plan` tells what `rollUp` would do, and writes nothing.
 * - `rollUp` turns a prefix of small objects into a few large ones, and commits them.
 * - `verify` compares a rollup with what is stored; `extract` reads one original object out of it.
 *
 * Each call opens its own connections, `concurrency` downloads at most, and closes them at its end.
 *
 * @packageDocumentation
 */
export { type ErrorCode, type ErrorDetails, RollupError } from '../lambda/errors.ts';
export type { PlanResult, PlanResultOutput } from '../lambda/plan.ts';
export type {
  Deleted,
  HowWritten,
  OutputAction,
  Report,
  RequestClass,
  RequestCounts,
  RollupEvent,
  RunProblem,
  RunWarning,
  Skipped,
  VerifyProblem,
  VerifyReport,
} from '../lambda/rollup/index.ts';
export type { RunResult } from '../lambda/run.ts';
export type { Peaks, Requests } from '../lambda/s3/connection.ts';
export type { RollupSettings, SharedSettings, Size } from '../lambda/settings/input.ts';
export { type ExtractOptions, type VerifyOptions, extract, verify } from './inspect.ts';
export type { EngineOptions } from './request.ts';
export { type RollUpOptions, plan, rollUp } from './roll-up.ts';

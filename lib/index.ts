/**
 * The constructs of the package, `s3-log-rollup/cdk`.
 *
 * - `LogRollup`: schedules, queue, function, alarms and dashboard over buckets of your own.
 * - `LogRollupStack`: a whole stack from a few values, with a bucket and a topic where they are asked for.
 * - `addOutputs`: the outputs by which the command line finds a deployment (`--stack`).
 *
 * @packageDocumentation
 */
export type { CapacityProps } from './config/capacity.ts';
export type { ContextValues } from './config/context-values.ts';
export type { EngineProps } from './config/engine.ts';
export { InvalidConfiguration } from './config/invalid-configuration.ts';
export type { LogBucket, Root } from './config/root.ts';
export type { StreamProps } from './config/streams.ts';
export type { FanOut } from './fan-out.ts';
export { LogRollup } from './log-rollup.ts';
export type { DeploymentKind, LogRollupProps, RootedStream, Surroundings } from './log-rollup-props.ts';
export { LogRollupStack, type LogRollupStackProps } from './log-rollup-stack.ts';
export type { RollupDashboard } from './monitoring/dashboard.ts';
export { addOutputs } from './outputs.ts';
export type { RollupQueues } from './queues.ts';

/** Names that the function and the stack that deploys it share. No imports and no logic, so that `lib/` may import it. */

/** Environment variables of the function, besides those of its settings (lambda/settings/table.ts). */
export const ENV = {
  /** `s3://bucket/prefix/` that every source must be under. */
  rawRoot: 'RAW_ROOT',
  /** `s3://bucket/prefix/` that every destination must be under. */
  aggregatedRoot: 'AGGREGATED_ROOT',
  /**
   * The streams that requests may be for, as a JSON list. An entry is `["audit","compliance/{yyyy}/{MM}/{dd}/{HH}/"]`: the
   * name and the template below either root; or the name alone, if the template is the name and `HOUR_TEMPLATE`. A text
   * that does not begin with `[` is that list compressed (raw deflate, base64url): a function's variables have 4 KB in all.
   */
  streams: 'STREAMS',
  /** URL of the queue that continuations are sent to. */
  queueUrl: 'QUEUE_URL',
  /** ARN of the state machine that large requests are dispatched to. */
  stateMachineArn: 'STATE_MACHINE_ARN',
} as const;

/**
 * Deliveries of a message before it goes to the dead-letter queue. A delivery that Lambda throttles, because direct invocations
 * take its place, counts as one: AWS asks for five at least.
 * https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
 */
export const MAX_RECEIVES = 5;

/** The template of an hour, after `<name>/`, of a stream for which no source is given. */
export const HOUR_TEMPLATE = '{yyyy}{MM}{dd}/{HH}/';

/**
 * CloudWatch metrics of the function, in EMF (embedded metric format). Alarms and dashboard expect exactly two dimensions:
 * `service`, whose value Powertools takes from POWERTOOLS_SERVICE_NAME, and `stream`, the name of the stream.
 */
export const METRICS = {
  namespace: 'S3LogRollup',
  serviceDimension: 'service',
  streamDimension: 'stream',
  /** Value of the dimension `stream` for a request that names no stream. */
  unnamedStream: 'unnamed',
  objects: 'Objects',
  bytes: 'Bytes',
  outputs: 'Outputs',
  reused: 'Reused',
  retries: 'Retries',
  duration: 'RunDuration',
  fileDescriptors: 'PeakFileDescriptors',
  connections: 'PeakConnections',
  memory: 'PeakMemory',
  hoursCommitted: 'HoursCommitted',
  /** Hours to which late sources were added. */
  hoursUpdated: 'HoursUpdated',
  /** Hours that were rolled up without a source; emitted only where there are any. */
  hoursEmpty: 'HoursEmpty',
  failures: 'Failures',
} as const;

/** Outputs of the stack, from which the operator's commands read where everything is (`--stack NAME`). */
export const STACK_OUTPUTS = {
  queueUrl: 'QueueUrl',
  deadLetterQueueUrl: 'DeadLetterQueueUrl',
  deadLetterQueueArn: 'DeadLetterQueueArn',
  functionName: 'FunctionName',
  /** ARN of the role that policies of other accounts' buckets and keys must admit. */
  functionRoleArn: 'FunctionRoleArn',
  /** `s3://bucket/prefix/` */
  rawRoot: 'RawRoot',
  /** `s3://bucket/prefix/` */
  aggregatedRoot: 'AggregatedRoot',
  /** JSON: `[{"name","source","minute"}]`; the source is a template. */
  streams: 'Streams',
  /** `true` or `false`: the setting `allowAnyPrefix`. */
  allowAnyPrefix: 'AllowAnyPrefix',
  dashboardUrl: 'DashboardUrl',
} as const;

/** Outputs that the stack has besides with the setting `fanOut`. */
export const FAN_OUT_OUTPUTS = {
  stateMachineArn: 'StateMachineArn',
  /** ARNs of two roles that policies of other accounts' buckets and keys must admit too. */
  stepsRoleArn: 'StepsRoleArn',
  stateMachineRoleArn: 'StateMachineRoleArn',
} as const;

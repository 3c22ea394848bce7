/** Names that the function and the stack that deploys it share. No imports, no logic: `lib/` may read this. */

/** Environment variables of the function, besides those of its settings (settings.ts). */
export const ENV = {
  /** `s3://bucket/prefix/` that every source must be under. */
  rawRoot: 'RAW_ROOT',
  /** `s3://bucket/prefix/` that every destination must be under. */
  aggregatedRoot: 'AGGREGATED_ROOT',
  /**
   * The streams that requests may be for, as a JSON list whose entries are `["audit","compliance/{yyyy}/{MM}/{dd}/{HH}/"]`,
   * name and template below either root, or the name alone where the template is the name and `HOUR_TEMPLATE`. Text that
   * does not begin with `[` is that list, compressed (raw deflate, base64url): a function's variables have 4 KB in all.
   */
  streams: 'STREAMS',
  /** URL of the queue that continuations are sent to. */
  queueUrl: 'QUEUE_URL',
  /** ARN of the state machine that large requests are handed over to. */
  stateMachineArn: 'STATE_MACHINE_ARN',
} as const;

/** Behind `<name>/`, where the hours of a stream lie that names no source. */
export const HOUR_TEMPLATE = '{yyyy}{MM}{dd}/{HH}/';

/**
 * CloudWatch metrics of the function, in EMF. Alarms and dashboard look for exactly two dimensions: `service`, whose
 * value Powertools takes from POWERTOOLS_SERVICE_NAME, and `stream`, which tells one stream from another.
 */
export const METRICS = {
  namespace: 'S3LogRollup',
  serviceDimension: 'service',
  streamDimension: 'stream',
  /** The stream of a request that names none. */
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
  /** Hours to which something was added that came late. */
  hoursUpdated: 'HoursUpdated',
  failures: 'Failures',
} as const;

/** Outputs of the stack by which the operator's commands find everything (`--stack NAME`). */
export const STACK_OUTPUTS = {
  queueUrl: 'QueueUrl',
  deadLetterQueueUrl: 'DeadLetterQueueUrl',
  deadLetterQueueArn: 'DeadLetterQueueArn',
  functionName: 'FunctionName',
  /** `s3://bucket/prefix/` */
  rawRoot: 'RawRoot',
  /** `s3://bucket/prefix/` */
  aggregatedRoot: 'AggregatedRoot',
  /** JSON: `[{"name","source","minute"}]`, the source as a template. */
  streams: 'Streams',
  /** `true` or `false`: the setting `allowAnyPrefix`. */
  allowAnyPrefix: 'AllowAnyPrefix',
  dashboardUrl: 'DashboardUrl',
} as const;

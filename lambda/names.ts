/** Names that the function and the stack that deploys it share. No imports, no logic: `lib/` may read this. */

/** Environment variables of the function. Sizes are in bytes, or written as on the command line (`32MiB`). */
export const ENV = {
  /** `s3://bucket/prefix/` that every source must be under. */
  rawRoot: 'RAW_ROOT',
  /** `s3://bucket/prefix/` that every destination must be under. */
  aggregatedRoot: 'AGGREGATED_ROOT',
  /** URL of the queue that continuations are sent to. */
  queueUrl: 'QUEUE_URL',
  targetSize: 'TARGET_SIZE',
  partSize: 'PART_SIZE',
  concurrency: 'CONCURRENCY',
  outputsInFlight: 'OUTPUTS_IN_FLIGHT',
  newline: 'NEWLINE',
  /** Seconds after the end of an hour during which a scheduled run of it is refused. */
  graceSeconds: 'GRACE_SECONDS',
} as const;

/** CloudWatch metrics of the function, in EMF; `stream` is the dimension that tells one stream from another. */
export const METRICS = {
  namespace: 'S3LogRollup',
  streamDimension: 'stream',
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
  failures: 'Failures',
} as const;

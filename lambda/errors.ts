/**
 * Every way in which a run can fail, as a code that logs, alarms and scripts can match on.
 * Where S3 has a name for it, it is S3's.
 */
export type ErrorCode =
  | 'AccessDenied'
  | 'Aborted'
  | 'BadManifest'
  | 'BadPlan'
  | 'BodyStalled'
  | 'ChecksumMismatch'
  | 'CodecConflict'
  | 'Conflict'
  | 'EndpointUnreachable'
  | 'InvalidArgument'
  | 'LookBackUnsent'
  | 'DeletesLeft'
  | 'ManifestOfAnotherSource'
  | 'ManifestVersion'
  | 'HourNotEnded'
  | 'InvalidEnvironment'
  | 'InvalidRequest'
  | 'NoCredentials'
  | 'NoManifest'
  | 'NoProgress'
  | 'NotInRollup'
  | 'NoRegion'
  | 'NoSuchBucket'
  | 'NoSuchUpload'
  | 'OutputDamaged'
  | 'OutputMissing'
  | 'OutsideRoot'
  | 'OutsideStream'
  | 'PreconditionFailed'
  | 'S3Error'
  | 'ShortBody'
  | 'SlowDown'
  | 'SourceArchived'
  | 'SourceChanged'
  | 'SourceCorrupt'
  | 'SourceNotDecodable'
  | 'SourceNotJoinable'
  | 'SourceVanished'
  | 'Timeout'
  | 'UnsortedListing'
  | 'WorkerEnded';

export interface ErrorDetails {
  /** The object that the error is about. */
  key?: string | undefined;
  cause?: unknown;
}

/** A failure that is named: what was wrong and, where an object is to blame, its key. */
export class RollupError extends Error {
  override readonly name = 'RollupError';
  readonly code: ErrorCode;
  readonly key: string | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? {} : { cause: details.cause });
    this.code = code;
    this.key = details.key;
  }

  /** As the command line and the log print it. */
  toJSON(): { code: ErrorCode; message: string; key?: string } {
    return { code: this.code, message: this.message, ...(this.key === undefined ? {} : { key: this.key }) };
  }
}

/** True for a `RollupError` with one of these codes. */
export function hasCode(error: unknown, ...codes: ErrorCode[]): boolean {
  return error instanceof RollupError && codes.includes(error.code);
}

/**
 * The codes of all failures, for logs, alarms and scripts to match on. If S3 has a code for a failure, it is the same.
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
  | 'FormatMistaken'
  | 'InvalidArgument'
  | 'LookBackUnsent'
  | 'DeletesLeft'
  | 'ManifestOfAnotherSource'
  | 'ManifestVersion'
  | 'HourNotEnded'
  | 'IncompleteListing'
  | 'InvalidEnvironment'
  | 'InvalidRequest'
  | 'NoCredentials'
  | 'NoManifest'
  | 'NoProgress'
  | 'NoSources'
  | 'NotInRollup'
  | 'NoRegion'
  | 'NoSuchBucket'
  | 'NoSuchUpload'
  | 'NoTemporaryFile'
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
  | 'UnsafeDelete'
  | 'UnsortedListing'
  | 'WorkerEnded';

/** The optional parts of a `RollupError`. */
export interface ErrorDetails {
  /** Key of the object that the error is about. */
  key?: string | undefined;
  /** The error that led to this one. */
  cause?: unknown;
}

/**
 * The error that this program throws: a code, a message that says what to do, and the key of the object that is to blame,
 * if one is.
 *
 * @example
 * throw new RollupError('NoManifest', `${key} is not there: nothing is rolled up under it.`, { key });
 */
export class RollupError extends Error {
  override readonly name = 'RollupError';
  readonly code: ErrorCode;
  readonly key: string | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? {} : { cause: details.cause });
    this.code = code;
    this.key = details.key;
  }

  /** The form in which the command line and the log print it: without its cause. */
  toJSON(): { code: ErrorCode; message: string; key?: string } {
    return { code: this.code, message: this.message, ...(this.key === undefined ? {} : { key: this.key }) };
  }
}

/** True if the error is a `RollupError` with one of these codes. */
export function hasCode(error: unknown, ...codes: ErrorCode[]): boolean {
  return error instanceof RollupError && codes.includes(error.code);
}

/**
 * The settings as users of the package give them, written out: declarations of the package name no library that it is made
 * with. A test holds them against the table of settings (test/settings/input.test.ts).
 */

/** A number of bytes, or text such as `32MiB`. */
export type Size = number | string;

/** Settings that the engine, the command line and the function have. Each may be left out. */
export interface SharedSettings {
  /**
   * Size at which an output closes. A source of this size is copied inside S3. From 5 MiB to 1 GiB.
   *
   * @defaultValue 32 MiB
   */
  readonly targetSize?: Size | undefined;
  /**
   * Size of a part of a multipart upload. From 5 MiB to 1 GiB.
   *
   * @defaultValue 8 MiB
   */
  readonly partSize?: Size | undefined;
  /**
   * Downloads in flight. From 1 to 250.
   *
   * @defaultValue 64
   */
  readonly concurrency?: number | undefined;
  /**
   * Outputs that are assembled or uploaded at once, each in a buffer of its size. From 1 to 16.
   *
   * @defaultValue 3
   */
  readonly outputsInFlight?: number | undefined;
  /**
   * `ensure` adds a newline after a plain-text source that lacks its last one.
   *
   * @defaultValue `ensure`
   */
  readonly newline?: 'ensure' | 'none' | undefined;
  /**
   * The format of all sources, whatever their keys and first bytes say.
   *
   * @defaultValue `auto`: told by their first bytes, then by Content-Encoding and key
   */
  readonly sourceFormat?: 'auto' | 'plain' | 'gzip' | 'zstd' | 'bzip2' | 'xz' | undefined;
  /**
   * Lines at the beginning of each source that are its header: an output has those of its first source, and equal ones of later
   * sources are left out. From 0 to 100.
   *
   * @defaultValue 0
   */
  readonly headerLines?: number | undefined;
  /**
   * Globs over the key behind the last slash of the source prefix. The last one that matches a source decides; a source that
   * none matches is rolled up. `{yyyy}`, `{MM}`, `{dd}` and `{HH}` in them are filled from the hour.
   *
   * @defaultValue no filters
   */
  readonly filters?: ({ include: string } | { exclude: string })[] | undefined;
  /**
   * A regular expression with captures, which is searched for in the key behind the last slash of the source prefix. Sources
   * with equal captures share outputs, in a folder of that name.
   *
   * @defaultValue no groups
   */
  readonly groupBy?: string | undefined;
  /**
   * `keep` joins sources as they are; with any other, sources are decoded and each output is one stream of that format.
   *
   * @defaultValue `keep`
   */
  readonly codec?: 'keep' | 'none' | 'gzip' | 'zstd' | undefined;
  /**
   * Level of compression: 1 to 9 with gzip, 1 to 19 with zstd.
   *
   * @defaultValue 6 of gzip, 3 of zstd
   */
  readonly level?: number | undefined;
  /**
   * Storage class of outputs.
   *
   * @defaultValue S3's own: STANDARD
   */
  readonly storageClass?:
    'STANDARD' | 'STANDARD_IA' | 'ONEZONE_IA' | 'INTELLIGENT_TIERING' | 'GLACIER_IR' | undefined;
  /**
   * Values of outputs' tags by their keys; 10 at most.
   *
   * @defaultValue no tags
   */
  readonly tags?: Record<string, string> | undefined;
  /**
   * Id, ARN or alias of the KMS key of outputs and manifest; in the stack the ARN of a key.
   *
   * @defaultValue the bucket's own encryption
   */
  readonly kmsKeyId?: string | undefined;
  /**
   * Encryption header of outputs and manifest, for buckets whose policy refuses uploads without one.
   *
   * @defaultValue no header
   */
  readonly sse?: 'AES256' | undefined;
  /**
   * Content-Type of outputs.
   *
   * @defaultValue S3's own
   */
  readonly contentType?: string | undefined;
  /**
   * Content-Encoding of outputs. It says what they are, and changes no byte.
   *
   * @defaultValue none
   */
  readonly contentEncoding?: string | undefined;
  /**
   * Canned ACL of outputs and manifest, for a bucket of another account that has ACLs.
   *
   * @defaultValue none
   */
  readonly acl?: 'bucket-owner-full-control' | undefined;
  /**
   * Region of the source.
   *
   * @defaultValue that of the run
   */
  readonly sourceRegion?: string | undefined;
  /**
   * Endpoint of the source.
   *
   * @defaultValue that of the run
   */
  readonly sourceEndpointUrl?: string | undefined;
  /**
   * ARN of a role to assume for the source.
   *
   * @defaultValue none
   */
  readonly sourceRoleArn?: string | undefined;
  /**
   * External id that the role of the source asks for.
   *
   * @defaultValue none
   */
  readonly sourceExternalId?: string | undefined;
  /**
   * Account that the bucket of the source must belong to; otherwise S3 refuses.
   *
   * @defaultValue any
   */
  readonly sourceExpectedBucketOwner?: string | undefined;
  /**
   * Region of the destination.
   *
   * @defaultValue that of the run
   */
  readonly destinationRegion?: string | undefined;
  /**
   * Endpoint of the destination.
   *
   * @defaultValue that of the run
   */
  readonly destinationEndpointUrl?: string | undefined;
  /**
   * ARN of a role to assume for the destination.
   *
   * @defaultValue none
   */
  readonly destinationRoleArn?: string | undefined;
  /**
   * External id that the role of the destination asks for.
   *
   * @defaultValue none
   */
  readonly destinationExternalId?: string | undefined;
  /**
   * Account that the bucket of the destination must belong to; otherwise S3 refuses.
   *
   * @defaultValue any
   */
  readonly destinationExpectedBucketOwner?: string | undefined;
  /**
   * Who pays for requests to buckets whose requester pays.
   *
   * @defaultValue requests to such buckets are refused
   */
  readonly requestPayer?: 'requester' | undefined;
  /**
   * Seconds for which a request whose connection is refused or reset is repeated, once the store has answered. From 0 to 900.
   *
   * @defaultValue 60
   */
  readonly retryOutageSeconds?: number | undefined;
  /**
   * End with `NoSources`, and commit nothing, where there is nothing to roll up.
   *
   * @defaultValue false: an empty rollup is committed, with a warning
   */
  readonly failOnEmpty?: boolean | undefined;
  /**
   * Write `_SUCCESS` beside the manifest.
   *
   * @defaultValue false
   */
  readonly successMarker?: boolean | undefined;
  /**
   * Write the lists of outputs and of sources that Athena, Hive and Spark can read.
   *
   * @defaultValue false
   */
  readonly symlinkManifest?: boolean | undefined;
  /**
   * Delete committed sources from raw, once the output that holds them was verified.
   *
   * @defaultValue false
   */
  readonly deleteSource?: boolean | undefined;
}

/** Settings of the engine, and of the command line. Each may be left out. */
export interface RollupSettings extends SharedSettings {
  /**
   * Profile whose credentials reach the source.
   *
   * @defaultValue the credentials that the SDK finds by itself
   */
  readonly sourceProfile?: string | undefined;
  /**
   * Profile whose credentials reach the destination.
   *
   * @defaultValue the credentials that the SDK finds by itself
   */
  readonly destinationProfile?: string | undefined;
}

/** Settings of the function and of its stack. Each may be left out. */
export interface EngineProps extends SharedSettings {
  /**
   * Seconds after the end of an hour during which a run of it is refused. From 0 to 3,540.
   *
   * @defaultValue 300
   */
  readonly graceSeconds?: number | undefined;
  /**
   * Hours before its own to which a scheduled run has late arrivals added. From 0 to 24.
   *
   * @defaultValue 2
   */
  readonly lookBackHours?: number | undefined;
  /**
   * Also carry out requests for prefixes that are no hour of a stream. They never delete raw logs.
   *
   * @defaultValue false
   */
  readonly allowAnyPrefix?: boolean | undefined;
  /**
   * Deploy the state machine, and have large requests carried out by it.
   *
   * @defaultValue false
   */
  readonly fanOut?: boolean | undefined;
  /**
   * A request whose source has more objects than this goes to the state machine.
   *
   * @defaultValue 200,000
   */
  readonly fanOutObjects?: number | undefined;
  /**
   * A request whose source has more bytes than this goes to the state machine.
   *
   * @defaultValue 100 GiB
   */
  readonly fanOutBytes?: Size | undefined;
  /**
   * Most invocations that write at once, for the whole stack. From 1 to 998.
   *
   * @defaultValue 20
   */
  readonly fanOutWorkers?: number | undefined;
  /**
   * Outputs that one invocation writes. From 1 to 1,000.
   *
   * @defaultValue 32
   */
  readonly fanOutBatch?: number | undefined;
  /**
   * Downloads in flight of one invocation that writes. From 1 to 250.
   *
   * @defaultValue 16
   */
  readonly fanOutConcurrency?: number | undefined;
  /**
   * Requests a second to S3 that an execution may come to.
   *
   * @defaultValue 4,400
   */
  readonly fanOutRequestRate?: number | undefined;
}

/** Names of the settings that are sizes. */
type SizeName = 'targetSize' | 'partSize' | 'fanOutBytes';

/** Settings of the function that were checked: sizes are in bytes. */
export type Engine = {
  readonly [Name in keyof EngineProps]: Name extends SizeName ? number | undefined : EngineProps[Name];
};

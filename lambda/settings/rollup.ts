import { GiB, MiB } from '../size.ts';
import { choice, size, toggle, whole } from './value-types.ts';
import { group, row } from './row.ts';

// https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html: parts are of 5 MiB at least.
export const SMALLEST_PART = 5 * MiB;
const WHY = "S3's smallest part";
/** Seconds until minute 59, the last at which a schedule can run: no schedule may run within the grace period. */
const LONGEST_GRACE = 59 * 60;

/**
 * Most connections to one host, whatever is set: a Lambda has 1,024 file descriptors, and this leaves most of them.
 * https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
 */
export const MAX_CONNECTIONS = 250;

/** Settings of the size of outputs, and of the memory and connections of a run. */
export const rollup = group('Options:', {
  /**
   * Bytes at which an output closes. A source of this size is copied inside S3. From 5 MiB, S3's smallest part, to 1 GiB: an
   * output is held in memory.
   *
   * @defaultValue 32 MiB
   */
  targetSize: row(size(SMALLEST_PART, GiB, WHY), {
    default: 32 * MiB,
    description: 'an output closes once it holds this much; a source of this size is copied inside S3',
    value: '<size>',
    example: '64MiB',
    recorded: 'always',
  }),
  /**
   * Bytes of a multipart part, from S3's smallest, 5 MiB. An output that is no larger is one PUT. What is streamed (codecs, and
   * copies that S3 cannot be asked for) has parts of this size at most, and smaller ones where memory holds no two of them.
   *
   * @defaultValue 32 MiB
   */
  partSize: row(size(SMALLEST_PART, GiB, WHY), {
    default: 32 * MiB,
    description: 'size of an S3 multipart part; an output that is no larger takes one PUT',
    value: '<size>',
    example: '64MiB',
    recorded: 'always',
  }),
  /**
   * Downloads in flight; from 1 to `MAX_CONNECTIONS`.
   *
   * @defaultValue 64
   */
  concurrency: row(whole(1, MAX_CONNECTIONS), {
    default: 64,
    description: 'downloads in flight',
    value: '<number>',
    example: '32',
  }),
  /**
   * Outputs that are assembled or uploaded at once. Each has a buffer of its size, so that memory bounds their number. The
   * constructs give a function 6, or as many as its memory holds.
   *
   * @defaultValue 3
   */
  outputsInFlight: row(whole(1, 16), {
    default: 3,
    description: 'outputs in memory at once',
    value: '<number>',
    example: '2',
  }),
  /**
   * `ensure` adds a newline after a plain-text source that lacks its last one.
   *
   * @defaultValue `ensure`
   */
  newline: row(choice(['ensure', 'none']), {
    default: 'ensure',
    description: 'ensure, or none: whether a plain-text source that lacks its last newline is given one',
    value: '<rule>',
    example: 'none',
    recorded: 'always',
  }),
  /**
   * The format of all sources. `auto` tells it by their first bytes, then by Content-Encoding and key. With any other,
   * sources are taken for it: one that does not begin so is an error, but for `plain`, which is not looked at.
   *
   * @defaultValue `auto`
   */
  sourceFormat: row(choice(['auto', 'plain', 'gzip', 'zstd', 'bzip2', 'xz']), {
    default: 'auto',
    description:
      'auto, or plain, gzip, zstd, bzip2, xz: what sources are, whatever their keys and first bytes say',
    value: '<format>',
    example: 'gzip',
    recorded: 'unless default',
  }),
  /**
   * Lines at the beginning of each source that are its header, as of CloudFront logs and CSV: an output has those of its
   * first source, and the same lines of later sources are left out. For plain text, and for what a codec decodes; 0 to 100.
   *
   * @defaultValue 0
   */
  headerLines: row(whole(0, 100), {
    default: 0,
    description:
      'header lines of each source: an output has those of its first; equal ones of others are left out',
    value: '<number>',
    example: '2',
    recorded: 'unless default',
  }),
  /**
   * Seconds after the end of an hour during which a run of it is refused; at most 59 minutes, because a stream's
   * schedule runs in the next hour, after the grace period.
   *
   * @defaultValue 300
   */
  graceSeconds: row(whole(0, LONGEST_GRACE), {
    default: 300,
    description: 'an hour is refused until it has ended this long ago',
    value: '<seconds>',
    example: '600',
    only: 'stack',
  }),
  /**
   * Hours before its own to which a scheduled run has late arrivals added; at most a day, 0 for none.
   *
   * @defaultValue 2
   */
  lookBackHours: row(whole(0, 24), {
    default: 2,
    description: 'each scheduled run also adds what came late to this many hours before; 0 turns it off',
    value: '<number>',
    example: '6',
    only: 'stack',
  }),
  /**
   * Also carry out requests for prefixes that are no hour of a stream. They never delete raw logs.
   *
   * @defaultValue false
   */
  allowAnyPrefix: row(toggle(), {
    default: false,
    description: 'also take requests for prefixes that are no hour of a stream; they never delete raw logs',
    only: 'stack',
  }),
});

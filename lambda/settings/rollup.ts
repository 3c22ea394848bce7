import { GiB, MiB } from '../size.ts';
import { choice, size, toggle, whole } from './value-types.ts';
import { group, row } from './row.ts';

// https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html: parts are of 5 MiB at least.
const SMALLEST_PART = 5 * MiB;
const WHY = "S3's smallest part";

/** No more than this to one host, whatever is set: a Lambda has 1,024 descriptors, and this leaves most of them. */
export const MAX_CONNECTIONS = 250;

/** How outputs are cut and how much of the machine a run may use. */
export const rollup = group('Options:', {
  /** An output closes once it holds this many bytes. */
  targetSize: row(size(SMALLEST_PART, GiB, WHY), {
    default: 32 * MiB,
    description: 'an output closes once it holds this much; a source of this size is copied inside S3',
    value: '<size>',
    example: '64MiB',
    recorded: 'always',
  }),
  /** Bytes of an S3 multipart part. */
  partSize: row(size(SMALLEST_PART, GiB, WHY), {
    default: 8 * MiB,
    description: 'size of an S3 multipart part',
    value: '<size>',
    example: '16MiB',
    recorded: 'always',
  }),
  /** Downloads in flight. */
  concurrency: row(whole(1, MAX_CONNECTIONS), {
    default: 64,
    description: 'downloads in flight',
    value: '<number>',
    example: '32',
  }),
  /** Outputs that are being assembled or uploaded: each has a slab. */
  outputsInFlight: row(whole(1, 16), {
    default: 3,
    description: 'outputs in memory at once',
    value: '<number>',
    example: '2',
  }),
  /** `ensure`: a plain-text source that lacks its last newline is given one. */
  newline: row(choice(['ensure', 'none']), {
    default: 'ensure',
    description: 'ensure, or none: whether a plain-text source that lacks its last newline is given one',
    value: '<rule>',
    example: 'none',
    recorded: 'always',
  }),
  /** Seconds after the end of an hour during which a scheduled run of it is refused. */
  graceSeconds: row(whole(0, 3_540), {
    default: 300,
    description: 'an hour is refused until it has ended this long ago',
    value: '<seconds>',
    example: '600',
    only: 'stack',
  }),
  /** Hours before its own that a scheduled run has looked at again. */
  lookBackHours: row(whole(0, 24), {
    default: 2,
    description: 'each scheduled run also adds what came late to this many hours before; 0 turns it off',
    value: '<number>',
    example: '6',
    only: 'stack',
  }),
  /** Carry out requests whose source and destination are not those of one hour of a stream; such never delete. */
  allowAnyPrefix: row(toggle(), {
    default: false,
    description: 'also take requests for prefixes that are no hour of a stream; they never delete raw logs',
    only: 'stack',
  }),
});

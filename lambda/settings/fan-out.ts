import { GiB } from '../size.ts';
import { size, toggle, whole } from './value-types.ts';
import { MAX_CONNECTIONS } from './rollup.ts';
import { group, row } from './row.ts';

/**
 * GET requests a second that S3 allows a prefix at first.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html
 */
const S3_GETS = 5_500;

/** Settings for requests that are too large for one function. docs/scale.md derives the numbers. */
export const fanOut = group('Options:', {
  /**
   * Deploy the state machine, and dispatch large requests to it.
   *
   * @defaultValue false
   */
  fanOut: row(toggle(), {
    default: false,
    description: 'large requests are carried out by a Step Functions Distributed Map; see docs/scale.md',
    only: 'stack',
  }),
  /**
   * A request whose source has more objects is dispatched.
   *
   * @defaultValue 200,000
   */
  fanOutObjects: row(whole(1, 1_000_000_000), {
    default: 200_000,
    description: 'a request whose source has more objects than this is handed over',
    value: '<number>',
    example: '50000',
    only: 'stack',
  }),
  /**
   * A request whose source has more bytes is dispatched.
   *
   * @defaultValue 100 GiB
   */
  fanOutBytes: row(size(1, 1_000_000 * GiB, 'one byte'), {
    default: 100 * GiB,
    description: 'a request whose source has more bytes than this is handed over',
    value: '<size>',
    example: '500GiB',
    only: 'stack',
  }),
  /**
   * Most invocations that write at once. The function of the steps has as much reserved concurrency, and two more for plan
   * and commit: 998 and 2 are the most that `reservedConcurrency` may be.
   *
   * @defaultValue 20
   */
  fanOutWorkers: row(whole(1, 998), {
    default: 20,
    description: 'most invocations that write at once, for the whole stack',
    value: '<number>',
    example: '50',
    only: 'stack',
  }),
  /**
   * Outputs that one invocation writes: as many as end within its 15 minutes.
   *
   * @defaultValue 32
   */
  fanOutBatch: row(whole(1, 1_000), {
    default: 32,
    description: 'outputs that one invocation writes',
    value: '<number>',
    example: '8',
    only: 'stack',
  }),
  /**
   * Downloads in flight of one invocation that writes; from 1 to `MAX_CONNECTIONS`.
   *
   * @defaultValue 16
   */
  fanOutConcurrency: row(whole(1, MAX_CONNECTIONS), {
    default: 16,
    description: 'downloads in flight of one of these invocations',
    value: '<number>',
    example: '32',
    only: 'stack',
  }),
  /**
   * Requests a second to S3 of one execution. It bounds the number of workers; raise it once S3 has split the prefix.
   *
   * @defaultValue 4,400: four fifths of the GET requests that S3 allows a prefix at first
   */
  fanOutRequestRate: row(whole(1, 1_000_000), {
    default: Math.floor(0.8 * S3_GETS),
    description: 'requests a second to S3 that an execution may come to; S3 allows 5,500 a prefix at first',
    value: '<number>',
    example: '20000',
    only: 'stack',
  }),
});

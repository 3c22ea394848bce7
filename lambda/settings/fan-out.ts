import { GiB } from '../size.ts';
import { size, toggle, whole } from './value-types.ts';
import { group, row } from './row.ts';

// https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html: 5,500 GET a second and prefix.
const S3_GETS = 5_500;

/** Past one function: docs/scale.md derives the numbers. */
export const fanOut = group('Options:', {
  /** Deploys the state machine, and hands large requests over to it. */
  fanOut: row(toggle(), {
    default: false,
    description: 'large requests are carried out by a Step Functions Distributed Map; see docs/scale.md',
    only: 'stack',
  }),
  fanOutObjects: row(whole(1, 1_000_000_000), {
    default: 200_000,
    description: 'a request whose source has more objects than this is handed over',
    value: '<number>',
    example: '50000',
    only: 'stack',
  }),
  fanOutBytes: row(size(1, 1_000_000 * GiB, 'one byte'), {
    default: 100 * GiB,
    description: 'a request whose source has more bytes than this is handed over',
    value: '<size>',
    example: '500GiB',
    only: 'stack',
  }),
  /** Of one execution at once; the function is given as much concurrency, and two more for plan and commit. */
  fanOutWorkers: row(whole(1, 998), {
    default: 20,
    description: 'most invocations that write at once, for the whole stack',
    value: '<number>',
    example: '50',
    only: 'stack',
  }),
  fanOutBatch: row(whole(1, 1_000), {
    default: 32,
    description: 'outputs that one invocation writes',
    value: '<number>',
    example: '8',
    only: 'stack',
  }),
  /** `concurrency` of one invocation that writes. */
  fanOutConcurrency: row(whole(1, 250), {
    default: 16,
    description: 'downloads in flight of one of these invocations',
    value: '<number>',
    example: '32',
    only: 'stack',
  }),
  fanOutRequestRate: row(whole(1, 1_000_000), {
    default: Math.floor(0.8 * S3_GETS),
    description: 'requests a second to S3 that an execution may come to; S3 allows 5,500 a prefix at first',
    value: '<number>',
    example: '20000',
    only: 'stack',
  }),
});

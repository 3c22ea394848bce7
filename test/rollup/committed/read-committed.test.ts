import { describe, expect, it } from 'vitest';
import { readHourStatus } from '../../../bin/operator/hour-status.ts';
import { deleteSources } from '../../../lambda/rollup/commit/delete-sources.ts';
import { extract } from '../../../lambda/rollup/inspect/extract.ts';
import { planToFile } from '../../../lambda/rollup/fan-out/plan-step.ts';
import { parseHour } from '../../../lambda/rollup/model/hour.ts';
import type { Store } from '../../../lambda/rollup/model/store.ts';
import { planAll } from '../../../lambda/rollup/plan/list-and-plan.ts';
import { verify } from '../../../lambda/rollup/inspect/verify.ts';
import type { Connection } from '../../../lambda/s3/connection.ts';
import { beforeNth, matching } from '../../support/hooks.ts';
import {
  AGGREGATED,
  BUCKET,
  DESTINATION,
  MANIFEST_KEY,
  RAW,
  SOURCE,
  type TestBucket,
  openTestBucket,
} from '../../support/test-bucket.ts';

const { signal } = new AbortController();
const ignore = (): undefined => undefined;

/** A connection that takes every index for a large one, which is read in ranges, again each time. */
function toLargeIndexes(connection: Connection): Connection {
  const store: Store = new Proxy<Store>(connection.store, {
    get(target, name) {
      if (name === 'until') return () => store;
      if (name === 'getBounded') {
        return async (...asked: Parameters<Store['getBounded']>) => {
          const found = await target.getBounded(...asked);
          return found && asked[0].key.includes('/_sources-') ? { ...found, body: undefined } : found;
        };
      }
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
  return Object.assign(Object.create(connection) as Connection, { store });
}

function contextOf(bucket: TestBucket, { store, raw }: Connection) {
  const { settings } = bucket;
  return { store, raw, settings, now: () => new Date(), report: ignore, hasTime: () => true, signal };
}

const request = { source: SOURCE, destination: DESTINATION };

/** Everything that reads the index as a stream, with its result if another run commits meanwhile. */
const READERS: [
  name: string,
  read: (bucket: TestBucket, to: Connection) => Promise<unknown>,
  result: unknown,
][] = [
  ['a run', (bucket, connection) => bucket.roll({ connection }), { status: 'unchanged', objects: 6 }],
  [
    'a repack',
    (bucket, connection) => bucket.roll({ connection, repack: true }),
    { status: 'committed', objects: 6 },
  ],
  ['a plan', (bucket, to) => planAll(request, contextOf(bucket, to)), { plan: { planned: [] } }],
  ['the plan step', (bucket, to) => planToFile(request, contextOf(bucket, to)), { status: 'lost' }],
  [
    'verify',
    (bucket, to) =>
      verify(DESTINATION, { ...contextOf(bucket, to), deep: true, concurrency: 2, progress: ignore }),
    { status: 'ok', objects: 6 },
  ],
  [
    'extract',
    (_, { store }) => extract(store, DESTINATION, 'late.log'),
    { source: { key: `${RAW}late.log` } },
  ],
  [
    'status',
    (_, sides) => readHourStatus(sides, parseHour('2026-11-21T08'), request, new Date()),
    { state: 'rolled-up', objects: 6, late: 0 },
  ],
  [
    'the deletion of sources',
    (bucket, { store, raw }) =>
      deleteSources(SOURCE, DESTINATION, {
        ...contextOf(bucket, bucket.connection),
        store,
        raw,
        concurrency: 2,
        proven: undefined,
        outputsInFlight: 2,
      }),
    { deleted: { objects: 6, complete: true } },
  ],
];

describe('an index that is deleted while it is read', () => {
  it.each(READERS)('by another run that commits: %s begins again', async (_, read, result) => {
    await using bucket = await openTestBucket();
    bucket.putHour(5);
    await bucket.roll();
    bucket.sandbox.hook = beforeNth(2, matching('GetObject', `${AGGREGATED}_sources-`), async () => {
      bucket.put('late.log', 'late\n');
      await bucket.roll({ connection: bucket.connect() });
    });
    expect(await read(bucket, toLargeIndexes(bucket.connection))).toMatchObject(result as object);
  });

  it.each(READERS)('by hand: %s says so', async (_, read) => {
    await using bucket = await openTestBucket();
    bucket.putHour(5);
    await bucket.roll();
    const { key } = bucket.manifest.sources;
    bucket.sandbox.hook = beforeNth(2, matching('GetObject', key), () => {
      bucket.sandbox.delete(BUCKET, key);
    });
    // Status does not throw, and says so in the row of the hour.
    const told = await read(bucket, toLargeIndexes(bucket.connection)).then(JSON.stringify, String);
    expect(told).toContain(`${key}, which ${MANIFEST_KEY} names, is not there.`);
  });
});

import { expect, it } from 'vitest';
import type { RollupError } from '../../lambda/errors.ts';
import type { Store } from '../../lambda/rollup/model/store.ts';
import { BUCKET, RAW, failureOf, openTestBucket } from '../support/test-bucket.ts';

const KEY = `${RAW}a.log`;
const AT = { bucket: BUCKET, key: KEY };
const { signal } = new AbortController();

type Read = (store: Store, etag: string) => Promise<unknown>;

it.each<[string, string, Read, number?]>([
  // Past Node's HTTP client, which judges what was odd: once more.
  ['GetObject', 'read', (store, etag) => store.read({ ...AT, etag }, Buffer.alloc(5), signal), 2],
  ['GetObject', 'stream', (store, etag) => Array.fromAsync(store.stream({ ...AT, etag }))],
  ['GetObject', 'getIfPresent', (store) => store.getIfPresent(AT)],
  ['GetObject', 'getBounded', (store) => store.getBounded(AT, 100)],
  ['HeadObject', 'head', (store) => store.head(AT)],
])('a %s without a Content-Length says so (%s)', async (operation, _, read, requests = 1) => {
  await using bucket = await openTestBucket();
  bucket.put('a.log', 'text\n');
  bucket.sandbox.hook = () => ({ kind: 'unannounced' });
  const etag = bucket.sandbox.head(BUCKET, KEY)?.etag ?? '';
  const failure: RollupError = await failureOf(read(bucket.connection.store, etag));
  expect(failure).toMatchObject({ code: 'S3Error', key: KEY });
  expect(failure.message).toContain(`${operation} ${KEY}: the response has no Content-Length.`);
  expect(bucket.sandbox.requests).toHaveLength(requests);
});

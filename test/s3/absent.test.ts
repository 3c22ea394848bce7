import { expect, it } from 'vitest';
import type { Sandbox } from '../../sandbox/sandbox.ts';
import { BUCKET, RAW, failureOf, openTestBucket } from '../support/test-bucket.ts';

/** S3 for a role that may list only under a prefix: the answer for an object that does not exist is 403. */
function refuseAbsent(sandbox: Sandbox): void {
  sandbox.hook = ({ operation, key = '' }) =>
    (operation === 'GetObject' || operation === 'HeadObject') && sandbox.head(BUCKET, key) === undefined
      ? { kind: 'error', status: 403, code: 'AccessDenied' }
      : undefined;
}

it('the first run of an hour takes a 403 for an absent object if a listing shows none', async () => {
  await using bucket = await openTestBucket();
  bucket.putHour(5);
  refuseAbsent(bucket.sandbox);
  expect(await bucket.roll()).toMatchObject({ status: 'committed', objects: 5 });
  expect(await bucket.roll()).toMatchObject({ status: 'unchanged' });
  await bucket.expectSound();
});

it('a source that vanished behind a 403 is SourceVanished', async () => {
  await using bucket = await openTestBucket();
  bucket.putHour(5);
  const key = `${RAW}00003.log`;
  refuseAbsent(bucket.sandbox);
  const refuse = bucket.sandbox.hook;
  bucket.sandbox.hook = (request) => {
    if (request.operation === 'GetObject' && request.key === key) bucket.sandbox.delete(BUCKET, key);
    return refuse?.(request);
  };
  expect(await failureOf(bucket.roll())).toMatchObject({ code: 'SourceVanished', key });
});

it('a 403 for an object that exists is AccessDenied', async () => {
  await using bucket = await openTestBucket();
  bucket.putHour(5);
  const key = `${RAW}00003.log`;
  bucket.sandbox.hook = (request) =>
    request.operation === 'GetObject' && request.key === key
      ? { kind: 'error', status: 403, code: 'AccessDenied' }
      : undefined;
  expect(await failureOf(bucket.roll())).toMatchObject({ code: 'AccessDenied', key });
});

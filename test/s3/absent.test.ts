import { expect, it } from 'vitest';
import type { Sandbox } from '../../sandbox/sandbox.ts';
import { BUCKET, RAW, failureOf, openTestBucket } from '../support/test-bucket.ts';

/** S3, as a role sees it that may list only under a prefix: an object that is not there is answered with 403. */
function refuseAbsent(sandbox: Sandbox): void {
  sandbox.hook = ({ operation, key = '' }) =>
    (operation === 'GetObject' || operation === 'HeadObject') && sandbox.head(BUCKET, key) === undefined
      ? { kind: 'error', status: 403, code: 'AccessDenied' }
      : undefined;
}

it('takes no refusal for one where a listing shows that nothing is there: the first run of an hour', async () => {
  await using bucket = await openTestBucket();
  bucket.putHour(5);
  refuseAbsent(bucket.sandbox);
  expect(await bucket.roll()).toMatchObject({ status: 'committed', objects: 5 });
  expect(await bucket.roll()).toMatchObject({ status: 'unchanged' });
  await bucket.expectSound();
});

it('names a source that vanished behind such a refusal', async () => {
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

it('tells a refusal of what is there as one', async () => {
  await using bucket = await openTestBucket();
  bucket.putHour(5);
  const key = `${RAW}00003.log`;
  bucket.sandbox.hook = (request) =>
    request.operation === 'GetObject' && request.key === key
      ? { kind: 'error', status: 403, code: 'AccessDenied' }
      : undefined;
  expect(await failureOf(bucket.roll())).toMatchObject({ code: 'AccessDenied', key });
});

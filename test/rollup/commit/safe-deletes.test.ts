import { describe, expect, it } from 'vitest';
import { connect } from '../../../lambda/s3/connection.ts';
import { isOurs } from '../../../lambda/rollup/commit/cleanup.ts';
import { run } from '../../../lambda/run.ts';
import { type Hook, type Operation, type SandboxRequest, startSandbox } from '../../../sandbox/sandbox.ts';
import { REFUSED, matching, onNth } from '../../support/hooks.ts';
import {
  BUCKET,
  DESTINATION,
  RAW,
  SETTINGS,
  SOURCE,
  type TestBucket,
  openTestBucket,
} from '../../support/test-bucket.ts';

const OUTPUTS = `${DESTINATION.prefix}part-`;
const LATER = 'what came after the listing\n';
const PROOFS = `${DESTINATION.prefix}_delete-proof-`;

/** A store that ignores the conditions of these requests. A source is overwritten after raw was listed for the deletion. */
function ignoring(bucket: TestBucket, operations: Operation[]): Hook {
  const isIgnored = ({ operation }: SandboxRequest): boolean => operations.includes(operation);
  let overwritten = false;
  return (request) => {
    if (matching('HeadObject', OUTPUTS)(request) && !overwritten) {
      overwritten = true;
      bucket.put('00003.log', LATER);
    }
    return isIgnored(request) ? { kind: 'ignore-conditions' } : undefined;
  };
}

describe('a store that deletes whatever ETag is asked for', () => {
  it.each<[string, Operation[]]>([
    ['of many keys', ['DeleteObjects']],
    ['of one key', ['DeleteObject']],
    ['of either', ['DeleteObjects', 'DeleteObject']],
  ])('%s: no source is deleted, and the run says why', async (_, operations) => {
    await using bucket = await openTestBucket();
    bucket.putHour(20);
    const before = bucket.sandbox.keys(BUCKET, RAW);
    bucket.sandbox.hook = ignoring(bucket, operations);
    const result = await bucket.roll({ deleteSource: true });
    expect(result).toMatchObject({ status: 'committed', problems: [{ code: 'UnsafeDelete' }] });
    expect(result.problems?.[0]?.message).toMatch(/^http:\/\/127.*No source was deleted/);
    expect(result).not.toHaveProperty('deleted');
    expect(bucket.sandbox.keys(BUCKET, RAW)).toEqual(before);
    expect(bucket.sandbox.head(BUCKET, `${RAW}00003.log`)?.size).toBe(LATER.length);

    expect(await bucket.roll({ deleteSource: true })).toMatchObject({ problems: [{ code: 'UnsafeDelete' }] });
    expect(bucket.sandbox.keys(BUCKET, RAW)).toEqual(before);
    // Tried out once in a process, and nothing is left of it.
    expect(bucket.requests('PutObject', PROOFS)).toHaveLength(1);
    expect(bucket.sandbox.keys(BUCKET, PROOFS)).toEqual([]);
  });
});

it('a store that takes its time to delete the object of the trial is no run that was stopped', async () => {
  await using bucket = await openTestBucket();
  bucket.putHour(2);
  // The second deletes the object whatever its ETag is.
  bucket.sandbox.hook = onNth(2, matching('DeleteObjects'), { kind: 'delay', ms: 2_500 });
  expect(await bucket.roll({ deleteSource: true })).toMatchObject({
    status: 'committed',
    deleted: { objects: 2 },
  });
  expect(bucket.sandbox.keys(BUCKET, PROOFS)).toEqual([]);
});

it('where it cannot be tried out no source is deleted; once it can, they are', async () => {
  await using bucket = await openTestBucket();
  bucket.putHour(5);
  bucket.sandbox.hook = onNth(
    1,
    ({ operation, key = '' }) => operation === 'PutObject' && key.startsWith(PROOFS),
    REFUSED,
  );
  expect(await bucket.roll({ deleteSource: true })).toMatchObject({
    problems: [
      { code: 'AccessDenied', message: expect.stringContaining('No source was deleted') as unknown },
    ],
  });
  expect(bucket.sandbox.keys(BUCKET, RAW)).toHaveLength(5);
  expect(await bucket.roll({ deleteSource: true })).toMatchObject({ deleted: { objects: 5 } });
});

it('an hour with nothing to delete tries nothing out', async () => {
  await using bucket = await openTestBucket();
  bucket.putHour(5);
  await bucket.roll({ deleteSource: true });
  const other = bucket.connect();
  await bucket.roll({ deleteSource: true, connection: other });
  expect(bucket.requests('PutObject', PROOFS)).toHaveLength(1);
});

it('with two endpoints it is tried out where the sources are', async () => {
  await using bucket = await openTestBucket();
  bucket.putHour(5);
  const other = await startSandbox({ buckets: [BUCKET] });
  const settings = { ...SETTINGS, deleteSource: true, destinationEndpointUrl: other.endpoint };
  const connection = connect({ settings, endpointUrl: bucket.sandbox.endpoint });
  try {
    bucket.sandbox.hook = ignoring(bucket, ['DeleteObjects', 'DeleteObject']);
    const request = { source: SOURCE, destination: DESTINATION };
    expect(await run(request, connection, { settings })).toMatchObject({
      status: 'committed',
      problems: [{ code: 'UnsafeDelete' }],
    });
    expect(bucket.requests('PutObject', `${RAW}_delete-proof-`)).toHaveLength(1);
    expect(bucket.sandbox.keys(BUCKET, RAW)).toHaveLength(5);
  } finally {
    connection.close();
    await other.close();
  }
});

it('what a killed trial left in the destination is one of the leftovers that are swept', () => {
  expect(isOurs(`${PROOFS}0123456789ab`, DESTINATION)).toBe(true);
});

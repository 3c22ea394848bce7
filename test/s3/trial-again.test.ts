import { describe, expect, it } from 'vitest';
import { BUCKET, DESTINATION, openTestBucket } from '../support/test-bucket.ts';

const VERIFIES = 'whether a store verifies uploads';

describe('a trial that a run was stopped in is made again, any other is not', () => {
  it.each([
    ['PutObject', 'hang'],
    ['UploadPart', 'hang'],
  ] as const)(`${VERIFIES}, after a run that was stopped in %s`, async (operation, kind) => {
    await using bucket = await openTestBucket();
    const { store } = bucket.connect();
    const stop = new AbortController();
    bucket.sandbox.hook = (request) => {
      if (request.operation !== operation) return undefined;
      stop.abort();
      return { kind };
    };
    expect(await store.until(stop.signal).verifiesUploadsBy(DESTINATION, { inParts: false })).toEqual(
      new Set(),
    );
    bucket.sandbox.hook = undefined;
    expect(await store.verifiesUploadsBy(DESTINATION, { inParts: false })).toEqual(
      new Set(['crc32', 'crc64nvme']),
    );
    expect(bucket.sandbox.keys(BUCKET)).toEqual([]);
    expect(bucket.sandbox.openUploads(BUCKET)).toEqual([]);
  });

  it.each([
    ['takes whatever comes', { kind: 'ignore-checksums' }],
    ['fails', { kind: 'error', status: 500, code: 'InternalError' }],
  ] as const)(`${VERIFIES}: one that %s is not asked again`, async (_, fault) => {
    await using bucket = await openTestBucket();
    const { store } = bucket.connect();
    bucket.sandbox.hook = ({ operation }) => (operation === 'PutObject' ? fault : undefined);
    expect(await store.verifiesUploadsBy(DESTINATION, { inParts: false })).toEqual(new Set());
    bucket.sandbox.hook = undefined;
    bucket.sandbox.clearRequests();
    expect(await store.verifiesUploadsBy(DESTINATION, { inParts: false })).toEqual(new Set());
    expect(bucket.sandbox.requests).toEqual([]);
  });
});

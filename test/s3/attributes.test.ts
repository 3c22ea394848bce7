import { describe, expect, it } from 'vitest';
import type { OutputAttributes } from '../../lambda/s3/attributes.ts';
import { connect } from '../../lambda/s3/connection.ts';
import { MiB } from '../../lambda/size.ts';
import { crc32Of } from '../support/checksums.ts';
import { BUCKET, SETTINGS, type TestBucket, openTestBucket } from '../support/test-bucket.ts';

const KEY_ID = 'arn:aws:kms:eu-central-1:111122223333:key/11111111-2222-3333-4444-555555555555';
const ATTRIBUTES: OutputAttributes = {
  storageClass: 'GLACIER_IR',
  tags: { team: 'logs & metrics', 'cost:centre': '47/11 = a+b' },
  kmsKeyId: KEY_ID,
  contentType: 'text/plain; charset=utf-8',
  contentEncoding: 'gzip',
  acl: 'bucket-owner-full-control',
};
const ENCRYPTION = { keyId: KEY_ID, bucketKey: true };

const { signal } = new AbortController();
const at = (key: string) => ({ bucket: BUCKET, key });

function storeOf(bucket: TestBucket, attributes: OutputAttributes) {
  return connect({ settings: { ...SETTINGS, ...attributes }, endpointUrl: bucket.sandbox.endpoint }).store;
}

/** Writes an object in each way in which outputs are written. Returns their keys. */
async function writeAll(bucket: TestBucket, attributes: OutputAttributes): Promise<string[]> {
  const store = storeOf(bucket, attributes);
  const { etag } = bucket.sandbox.put(BUCKET, 'raw/a', Buffer.alloc(6 * MiB), {
    headers: { 'content-type': 'application/x-log', 'content-encoding': 'br', 'x-amz-meta-host': 'i-0a1b' },
  });
  for (const size of [1 * MiB, 6 * MiB]) {
    const body = Buffer.alloc(size);
    const checksum = crc32Of(body);
    const partChecksums = [crc32Of(body.subarray(0, 5 * MiB)), crc32Of(body.subarray(5 * MiB))].slice(
      0,
      size > 5 * MiB ? 2 : 1,
    );
    const content = { body, checksum, partSize: 5 * MiB, partChecksums, metadata: { of: 'upload' } };
    await store.upload(at(`agg/upload-${size}`), content, signal);
    async function* stream(): AsyncGenerator<Buffer> {
      yield await Promise.resolve(body);
    }
    const options = { partSize: 5 * MiB, metadata: { of: 'stream' } };
    await store.uploadStream(at(`agg/stream-${size}`), stream(), options, signal);
  }
  await store.copy({ ...at('raw/a'), etag }, 6 * MiB, at('agg/copy'), signal);
  const range = { offset: 1, length: 6 * MiB - 1 };
  await store.copy({ ...at('raw/a'), etag, range }, range.length, at('agg/copy-of-a-range'), signal);
  return bucket.sandbox.keys(BUCKET, 'agg/');
}

describe('an output', () => {
  it('has every attribute that was given, however it is written', async () => {
    await using bucket = await openTestBucket();
    const keys = await writeAll(bucket, ATTRIBUTES);
    expect(keys).toHaveLength(6);
    for (const key of keys) {
      expect(bucket.sandbox.attributes(BUCKET, key), key).toEqual({
        storageClass: 'GLACIER_IR',
        tags: ATTRIBUTES.tags,
        encryption: ENCRYPTION,
        acl: 'bucket-owner-full-control',
        headers: {
          'content-type': 'text/plain; charset=utf-8',
          'content-encoding': 'gzip',
          ...(key.includes('upload') ? { 'x-amz-meta-of': 'upload' } : {}),
          ...(key.includes('stream') ? { 'x-amz-meta-of': 'stream' } : {}),
          ...(key.endsWith('copy') ? { 'x-amz-meta-host': 'i-0a1b' } : {}),
        },
      });
    }
  });

  it('has none if none was given; a copy has those of its source', async () => {
    await using bucket = await openTestBucket();
    for (const key of await writeAll(bucket, {})) {
      const { headers = {}, ...rest } = bucket.sandbox.attributes(BUCKET, key) ?? {};
      expect(rest, key).toEqual({ storageClass: 'STANDARD', tags: {} });
      const copied = key.endsWith('copy');
      expect(headers['content-type'], key).toEqual(
        copied ? 'application/x-log' : expect.stringMatching('octet-stream'),
      );
      expect(headers['content-encoding'], key).toBe(copied ? 'br' : undefined);
    }
  });

  it('that is copied keeps the metadata of its source, except for given attributes', async () => {
    await using bucket = await openTestBucket();
    const { etag } = bucket.sandbox.put(BUCKET, 'raw/a', 'line\n', {
      headers: { 'content-type': 'application/x-log', 'content-encoding': 'gzip' },
    });
    const store = storeOf(bucket, { contentType: 'text/plain' });
    await store.copy({ ...at('raw/a'), etag }, 5, at('agg/copy'), signal);
    expect(bucket.sandbox.attributes(BUCKET, 'agg/copy')?.headers).toEqual({
      'content-type': 'text/plain',
      'content-encoding': 'gzip',
    });
  });
});

it('a manifest has the key and the ACL of outputs, and nothing else of them', async () => {
  await using bucket = await openTestBucket();
  await storeOf(bucket, ATTRIBUTES).put(at('agg/_manifest.json'), Buffer.from('{}'), 'application/json');
  expect(bucket.sandbox.attributes(BUCKET, 'agg/_manifest.json')).toEqual({
    storageClass: 'STANDARD',
    tags: {},
    encryption: ENCRYPTION,
    acl: 'bucket-owner-full-control',
    headers: { 'content-type': 'application/json' },
  });
});

describe('a rollup under SSE-KMS, whose ETags are no digests', () => {
  it('is resumed, extended and rebuilt, and verifies', async () => {
    await using bucket = await openTestBucket();
    const connection = connect({
      settings: { ...SETTINGS, ...ATTRIBUTES },
      endpointUrl: bucket.sandbox.endpoint,
    });
    bucket.put('00000-large.log', Buffer.alloc(6 * MiB, 'line\n'));
    bucket.putHour(100);
    expect(await bucket.roll({ connection })).toMatchObject({ status: 'committed', copied: 1 });
    for (const { key } of bucket.manifest.outputs) {
      expect(bucket.sandbox.attributes(BUCKET, key)).toMatchObject({
        encryption: ENCRYPTION,
        tags: ATTRIBUTES.tags,
      });
    }
    expect(await bucket.roll({ connection })).toMatchObject({ status: 'unchanged', written: 0 });
    bucket.put('00007.log', 'changed in place\n');
    bucket.remove('00008.log');
    bucket.put('99999.log', 'late\n');
    expect(await bucket.roll({ connection })).toMatchObject({ status: 'committed', objects: 102 });
    await bucket.expectSound();
    connection.close();
  });

  it('reuses the outputs of a killed run', async () => {
    await using bucket = await openTestBucket();
    const kms = connect({
      settings: { ...SETTINGS, kmsKeyId: KEY_ID },
      endpointUrl: bucket.sandbox.endpoint,
    });
    bucket.putHour(110);
    const first = await bucket.roll({ connection: kms });
    bucket.sandbox.delete(BUCKET, 'aggregated/app/20261121/08/_manifest.json');
    expect(await bucket.roll({ connection: kms })).toMatchObject({
      status: 'committed',
      reused: first.outputs,
    });
    await bucket.expectSound();
    kms.close();
  });
});

import { describe, expect, it } from 'vitest';
import { MiB } from '../../../lambda/size.ts';
import type { Fault, Operation } from '../../../sandbox/sandbox.ts';
import { REFUSED, matching, onNth } from '../../support/hooks.ts';
import { BUCKET, DESTINATION, MANIFEST_KEY, openTestBucket, seeded } from '../../support/test-bucket.ts';

const OUTPUT = `${DESTINATION.prefix}part-`;
const UNKEPT: Fault = { kind: 'unkept' };
const CONFLICT: Fault = { kind: 'error', status: 409, code: 'ConditionalRequestConflict' };
const FORGOTTEN: Fault = { kind: 'error', status: 400, code: 'InvalidPart' };
const GONE: Fault = { kind: 'error', status: 404, code: 'NoSuchUpload' };

const random = seeded(1);
const NOISE = Buffer.alloc(10 * MiB);
for (let i = 0; i < NOISE.length; i++) NOISE[i] = 33 + random(90);

/** Bytes that no codec makes much smaller. */
function noise(size: number): Buffer {
  return NOISE.subarray(0, size);
}

describe('a run ends committed, with every byte there, where', () => {
  it.each<[string, Operation, string, Fault]>([
    ['an output is confirmed and not kept', 'CompleteMultipartUpload', OUTPUT, UNKEPT],
    ['a small output is confirmed and not kept', 'PutObject', OUTPUT, UNKEPT],
    ['a copy is confirmed and not kept', 'CopyObject', OUTPUT, UNKEPT],
    ['the index is confirmed and not kept', 'PutObject', `${DESTINATION.prefix}_sources`, UNKEPT],
    ['the manifest is confirmed and not kept', 'PutObject', MANIFEST_KEY, UNKEPT],
    ['a part is forgotten before the completion', 'CompleteMultipartUpload', OUTPUT, FORGOTTEN],
    ['an upload is forgotten before the completion', 'CompleteMultipartUpload', OUTPUT, GONE],
    ['an upload is forgotten before a part', 'UploadPart', OUTPUT, GONE],
    ['a completion meets a conflict', 'CompleteMultipartUpload', OUTPUT, CONFLICT],
  ])('%s', async (_, operation, key, fault) => {
    for (const codec of ['keep', 'gzip'] as const) {
      await using bucket = await openTestBucket({ targetSize: 7 * MiB });
      for (let i = 0; i < 7; i++) bucket.put(`${i}.log`, noise(1.2 * MiB));
      if (codec === 'keep') bucket.put('large.log', noise(7.5 * MiB));
      bucket.sandbox.hook = onNth(1, matching(operation, key), fault);
      const settings = { ...bucket.settings, codec };
      const expectsFault = codec === 'keep' || !/Copy|Put/.test(operation) || !key.startsWith(OUTPUT);
      expect(await bucket.roll({ settings })).toMatchObject({ status: 'committed' });
      if (expectsFault) expect(bucket.requests(operation, key).length).toBeGreaterThan(0);
      await bucket.expectSound();
      expect(bucket.sandbox.openUploads(BUCKET)).toEqual([]);
    }
  });
});

it('an upload is begun anew also where the one that was forgotten cannot be aborted', async () => {
  await using bucket = await openTestBucket({ targetSize: 12 * MiB });
  for (let i = 0; i < 8; i++) bucket.put(`${i}.log`, noise(1.5 * MiB));
  const forgotten = onNth(1, matching('UploadPart', OUTPUT), GONE);
  bucket.sandbox.hook = (request) =>
    request.operation === 'AbortMultipartUpload' ? REFUSED : forgotten(request);
  expect(await bucket.roll()).toMatchObject({ status: 'committed' });
});

it('an answer to a request that was sent twice is looked at, and others are not', async () => {
  await using bucket = await openTestBucket();
  for (let i = 0; i < 3; i++) bucket.put(`${i}.log`, 'a line\n');
  await bucket.roll();
  expect(bucket.requests('HeadObject')).toEqual([]);
  bucket.sandbox.clearRequests();
  bucket.put('late.log', 'late\n');
  let seen = 0;
  bucket.sandbox.hook = (request) =>
    matching('PutObject', OUTPUT)(request) && ++seen === 1 ? { kind: 'reset' } : undefined;
  await bucket.roll();
  expect(bucket.requests('HeadObject', OUTPUT)).toHaveLength(1);
  expect(bucket.requests('PutObject', OUTPUT)).toHaveLength(2);
  await bucket.expectSound();
});

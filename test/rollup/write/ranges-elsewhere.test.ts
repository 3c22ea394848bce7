import { expect, it } from 'vitest';
import { MiB } from '../../../lambda/size.ts';
import { logLines, openTestBucket } from '../../support/test-bucket.ts';

it('a source in the middle of an output is not copied as a range by a store that is not Amazon S3', async () => {
  await using bucket = await openTestBucket({ targetSize: 12 * MiB });
  bucket.put('a.log', logLines(100_000));
  bucket.put('b.log', logLines(7 * MiB));
  bucket.put('c.log', logLines(100_000));
  await bucket.roll();
  bucket.remove('b.log');
  const settings = { ...bucket.settings, targetSize: 5 * MiB };
  bucket.sandbox.clearRequests();
  expect(await bucket.roll({ repack: true, settings })).toMatchObject({ status: 'committed', copied: 1 });
  expect(bucket.requests('UploadPartCopy')).toEqual([]);
  await bucket.expectSound();
});

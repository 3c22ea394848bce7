import { describe, expect, it } from 'vitest';
import { MiB } from '../../../lambda/size.ts';
import { logLines, openTestBucket } from '../../support/test-bucket.ts';

describe('a source in the middle of an output that is now large enough for one of its own', () => {
  it.each([
    ['copied as a range by Amazon S3', true, 1],
    ['read and written anew on another store', false, 0],
  ])('is %s', async (_, isAmazon, copies) => {
    await using bucket = await openTestBucket({ targetSize: 12 * MiB });
    bucket.put('a.log', logLines(100_000));
    const large = logLines(7 * MiB);
    bucket.put('b.log', large);
    bucket.put('c.log', logLines(100_000));
    await bucket.roll();
    bucket.remove('b.log');
    const settings = { ...bucket.settings, targetSize: 5 * MiB };
    bucket.sandbox.clearRequests();
    const connection = isAmazon ? bucket.connectAsAmazonS3() : bucket.connection;
    const result = await bucket.roll({ repack: true, settings, connection });
    expect(result).toMatchObject({ status: 'committed', copied: 1 });
    expect(bucket.requests('UploadPartCopy')).toHaveLength(copies);
    await bucket.expectSound();
  });
});

import '../support/credentials.ts';
import { CreateMultipartUploadCommand } from '@aws-sdk/client-s3';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ListedObject, Store } from '../../lambda/rollup/model/store.ts';
import { connect } from '../../lambda/s3/connection.ts';
import { DEFAULT_SETTINGS } from '../../lambda/settings/settings.ts';
import { inKeyOrder } from '../support/planning.ts';
import { BUCKET, RAW, SOURCE, failureOf, openTestBucket } from '../support/test-bucket.ts';

/** A server that lists these keys, in this order, in pages of three. */
async function listing(keys: string[]): Promise<string[]> {
  const connection = connect({ settings: DEFAULT_SETTINGS, endpointUrl: 'http://127.0.0.1:9' });
  connection.client.middlewareStack.add(
    () => (args) => {
      const { ContinuationToken } = args.input as { ContinuationToken?: string };
      const from = Number(ContinuationToken ?? 0);
      const Contents = keys.slice(from, from + 3).map((key) => ({
        Key: encodeURIComponent(key).replaceAll('%20', '+'),
        Size: 1,
        ETag: '"e"',
        LastModified: new Date(0),
      }));
      const more =
        from + 3 < keys.length ? { IsTruncated: true, NextContinuationToken: String(from + 3) } : {};
      return Promise.resolve({
        response: {},
        output: { $metadata: {}, EncodingType: 'url', Contents, ...more },
      });
    },
    { step: 'initialize', name: 'cannedListing', priority: 'high' },
  );
  try {
    const got: string[] = [];
    for await (const page of connection.store.list(SOURCE)) got.push(...page.map(({ key }) => key));
    return got;
  } finally {
    connection.close();
  }
}

/** Calls a store whose every request is answered by this output; after the tenth it is not answered any more. */
async function answeredBy<T>(output: object, call: (store: Store) => Promise<T>): Promise<T> {
  const connection = connect({ settings: DEFAULT_SETTINGS, endpointUrl: 'http://127.0.0.1:9' });
  let answers = 0;
  connection.client.middlewareStack.add(
    () => () =>
      ++answers > 10
        ? Promise.reject(new Error('It would ask for ever.'))
        : Promise.resolve({ response: {}, output: { $metadata: {}, ...output } }),
    { step: 'initialize', name: 'cannedAnswer', priority: 'high' },
  );
  try {
    return await call(connection.store);
  } finally {
    connection.close();
  }
}

const anyKeys = fc.uniqueArray(
  fc.string({
    unit: fc.constantFrom('a', 'B', '/', ' ', '+', '%', '\n', 'ü', '\uffff', '😀'),
    minLength: 1,
    maxLength: 4,
  }),
  {
    minLength: 2,
    maxLength: 9,
  },
);

describe('a listing', () => {
  it('in key order yields its pages unchanged', async () => {
    await fc.assert(
      fc.asyncProperty(anyKeys, async (keys) => {
        const sorted = keys
          .map((key) => ({ key }))
          .toSorted(inKeyOrder)
          .map(({ key }) => key);
        expect(await listing(sorted)).toEqual(sorted);
      }),
      { numRuns: 50 },
    );
  });

  it('whose keys are not encoded, as on stores that do not know the encoding, yields them as they are', async () => {
    await using bucket = await openTestBucket();
    const names = [' two  words ', '%2F.log', '100%', 'a%20b', 'a+b', 'q\'"<&>', 'ü€𝄞'];
    for (const name of names) bucket.put(name, 'a line\n');
    bucket.sandbox.hook = ({ operation }) =>
      /^List/.test(operation) ? { kind: 'keys-as-they-are' } : undefined;
    const listed = await Array.fromAsync(bucket.connection.store.list(SOURCE));
    expect(listed.flat().map(({ key }) => key)).toEqual(names.map((name) => RAW + name));
    expect(await bucket.roll()).toMatchObject({ status: 'committed', objects: names.length });
    await bucket.expectSound();

    const { client, store } = bucket.connection;
    const uploads = names.map((name) => ({ Bucket: BUCKET, Key: `open/${name}` }));
    for (const upload of uploads) await client.send(new CreateMultipartUploadCommand(upload));
    const open = await store.listUploads({ bucket: BUCKET, prefix: 'open/' });
    expect(open.map(({ key }) => key)).toEqual(uploads.map(({ Key }) => Key));
  });

  it('in any other order is refused', async () => {
    const shuffled = anyKeys.chain((keys) =>
      fc.shuffledSubarray(keys, { minLength: keys.length, maxLength: keys.length }),
    );
    await fc.assert(
      fc.asyncProperty(shuffled, async (keys) => {
        const sorted = keys
          .map((key) => ({ key }))
          .toSorted(inKeyOrder)
          .map(({ key }) => key);
        fc.pre(keys.some((key, i) => key !== sorted[i]));
        expect(await failureOf(listing(keys))).toMatchObject({ code: 'UnsortedListing' });
      }),
      { numRuns: 50 },
    );
  });

  it.each([
    ['twice the same key', ['a', 'a']],
    ['twice the same key, on two pages', ['a', 'b', 'c', 'c']],
    ['UTF-16 order', ['😀', '\uffff']],
    ['an order that is broken between two pages', ['b', 'c', 'd', 'a']],
  ])('with %s is refused', async (_, keys) => {
    expect(await failureOf(listing(keys))).toMatchObject({ code: 'UnsortedListing', key: keys.at(-1) });
  });

  it.each([
    ['is truncated and names no next page', { IsTruncated: true }],
    ['names the same next page again', { IsTruncated: true, NextContinuationToken: 'again' }],
    ['has an object without a size', { Contents: [{ Key: 'a', ETag: '"e"' }] }],
    ['has an object without an ETag', { Contents: [{ Key: 'a', Size: 1 }] }],
    ['has an object without a key', { Contents: [{ Size: 1, ETag: '"e"' }] }],
  ])('with a page that %s is refused', async (_, output) => {
    expect(await failureOf(answeredBy(output, (store) => Array.fromAsync(store.list(SOURCE))))).toMatchObject(
      {
        code: 'IncompleteListing',
        key: RAW,
      },
    );
  });

  it.each([
    ['names no next page', { IsTruncated: true }],
    ['names the same next page again', { IsTruncated: true, NextKeyMarker: 'a', NextUploadIdMarker: '1' }],
    ['has an upload without an id', { Uploads: [{ Key: 'a' }] }],
    ['has an upload without a key', { Uploads: [{ UploadId: '1' }] }],
  ])('of open uploads with a page that %s is refused', async (_, output) => {
    expect(await failureOf(answeredBy(output, (store) => store.listUploads(SOURCE)))).toMatchObject({
      code: 'IncompleteListing',
      key: RAW,
    });
  });

  it('over several pages of S3 has every object once, with all of its fields', async () => {
    await using bucket = await openTestBucket();
    for (let i = 0; i < 2_345; i++) bucket.put(`${i % 7}/${i}`, `${i}`);
    bucket.put('archived.log', 'x', { storageClass: 'GLACIER' });
    const objects: ListedObject[] = [];
    let pages = 0;
    for await (const page of bucket.connection.store.list(SOURCE)) {
      objects.push(...page);
      pages++;
    }
    expect(pages).toBe(3);
    expect(objects.map(({ key }) => key)).toEqual(bucket.sandbox.keys(BUCKET, RAW));
    const archived = objects.find(({ key }) => key === `${RAW}archived.log`);
    const head = bucket.sandbox.head(BUCKET, `${RAW}archived.log`);
    expect(archived).toEqual({
      key: `${RAW}archived.log`,
      size: 1,
      etag: head?.etag,
      lastModified: head?.lastModified.toISOString(),
      storageClass: 'GLACIER',
    });
  });

  it('of open uploads goes over several pages', async () => {
    await using bucket = await openTestBucket();
    for (let i = 0; i < 1_050; i++) {
      await fetch(`${bucket.sandbox.endpoint}/${BUCKET}/${RAW}${i % 40}%20%2B%0A?uploads`, {
        method: 'POST',
      });
    }
    const uploads = await bucket.connection.store.listUploads(SOURCE);
    expect(uploads.map(({ uploadId }) => uploadId).toSorted()).toEqual(
      bucket.sandbox
        .openUploads(BUCKET)
        .map(({ uploadId }) => uploadId)
        .toSorted(),
    );
    expect(uploads.every(({ key }) => /\d+ \+\n$/.test(key))).toBe(true);
  });
});

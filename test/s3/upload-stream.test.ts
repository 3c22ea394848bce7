import { describe, expect, it } from 'vitest';
import { RollupError } from '../../lambda/errors.ts';
import type { StreamOptions } from '../../lambda/rollup/model/store.ts';
import { MiB } from '../../lambda/size.ts';
import type { Fault } from '../../sandbox/sandbox.ts';
import { crc32Of } from '../support/checksums.ts';
import { LOST_ANSWER, REFUSED, fromNth, matching, onNth } from '../support/hooks.ts';
import { BUCKET, type TestBucket, failureOf, openTestBucket } from '../support/test-bucket.ts';

const KEY = 'agg/part-00000-0123456789ab.log.gz';
const AT = { bucket: BUCKET, key: KEY };
const PART = 5 * MiB;
const METADATA = { 'added-newlines': 'AQ' };

/** Chunks that share one memory, like those of a stream that reuses its buffer. */
async function* inChunks(body: Buffer, chunkSize = 700_001): AsyncGenerator<Buffer> {
  const memory = Buffer.alloc(chunkSize);
  for (let at = 0; at < body.length; at += chunkSize) {
    yield memory.subarray(0, body.copy(memory, 0, at));
    await new Promise(setImmediate);
  }
}

function send(
  bucket: TestBucket,
  chunks: AsyncIterable<Buffer>,
  options: Partial<StreamOptions> = {},
  { signal } = new AbortController(),
) {
  const given = { partSize: PART, metadata: METADATA, ...options };
  return bucket.connection.store.uploadStream(AT, chunks, given, signal);
}

function bytes(size: number): Buffer {
  const body = Buffer.alloc(size);
  for (let i = 0; i + 4 <= size; i += 4) body.writeUInt32LE(Math.imul(i, 2_654_435_761) >>> 0, i);
  return body;
}

function expectNothing(bucket: TestBucket): void {
  expect(bucket.sandbox.keys(BUCKET)).toEqual([]);
  expect(bucket.sandbox.openUploads(BUCKET)).toEqual([]);
}

describe('a stream that is uploaded', () => {
  it.each([
    ['nothing', 0, ['PutObject']],
    ['a byte', 1, ['PutObject']],
    ['just a part', PART, ['PutObject']],
    ['a part and a byte', PART + 1, ['CreateMultipartUpload', 'UploadPart', 'UploadPart']],
    [
      'more parts than are in flight',
      6 * PART,
      ['CreateMultipartUpload', ...Array<string>(6).fill('UploadPart')],
    ],
  ])('of %s is there as it came, its CRC-32 and metadata kept by S3', async (_, size, operations) => {
    await using bucket = await openTestBucket();
    const body = bytes(size);
    const written = await send(bucket, inChunks(body));
    const head = bucket.sandbox.head(BUCKET, KEY);
    expect(written).toEqual({ size, etag: head?.etag, checksum: crc32Of(body) });
    for (const { headers } of bucket.requests('CompleteMultipartUpload'))
      expect(headers).toMatchObject({
        'x-amz-checksum-crc32': expect.any(String) as unknown,
        'x-amz-checksum-type': 'FULL_OBJECT',
      });
    const { size: stored, ...rest } = written;
    expect(await bucket.connection.store.head(AT)).toEqual({ size: stored, ...rest, metadata: METADATA });
    expect(bucket.sandbox.get(BUCKET, KEY)?.equals(body)).toBe(true);
    const sent = bucket.sandbox.requests.map(({ operation }) => operation);
    expect(sent.filter((name) => /Put|Part$|Create/.test(name))).toEqual(operations);
    expect(bucket.sandbox.openUploads(BUCKET)).toEqual([]);
  });

  it.each([1, 2, 4, 9])('keeps within the memory of %d parts', async (parts) => {
    await using bucket = await openTestBucket();
    const body = bytes(7 * PART + 3);
    let inFlight = 0;
    let most = 0;
    bucket.sandbox.hook = async ({ operation }) => {
      if (operation !== 'UploadPart') return undefined;
      most = Math.max(most, ++inFlight);
      for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
      inFlight--;
      return undefined;
    };
    await send(bucket, inChunks(body), { memory: Buffer.alloc(parts * PART) });
    expect(most).toBeLessThanOrEqual(Math.min(parts, 4));
    expect(bucket.sandbox.get(BUCKET, KEY)?.equals(body)).toBe(true);
  });

  it.each([
    ['before its first part is full', 1],
    ['while parts are sent', 3 * PART],
    ['behind its last byte', 3 * PART + 1],
  ])('and fails %s leaves nothing, and its own failure is told', async (_, after) => {
    await using bucket = await openTestBucket();
    const failure = new RollupError('ShortBody', 'raw/a ended early.', { key: 'raw/a' });
    async function* failing(): AsyncGenerator<Buffer> {
      yield* inChunks(bytes(after));
      throw failure;
    }
    expect(await failureOf(send(bucket, failing()))).toBe(failure);
    expectNothing(bucket);
  });

  it.each([
    ['its only part', 'PutObject', 1, PART - 1],
    ['a part', 'UploadPart', 3, 9 * PART],
    ['its completion', 'CompleteMultipartUpload', 1, 2 * PART],
  ] as const)(
    'of which S3 refuses %s leaves nothing, and is read no further',
    async (_, operation, nth, size) => {
      await using bucket = await openTestBucket();
      bucket.sandbox.hook = fromNth(nth, matching(operation), REFUSED);
      let closed = false;
      async function* watched(): AsyncGenerator<Buffer> {
        try {
          yield* inChunks(bytes(size));
        } finally {
          closed = true;
        }
      }
      expect(await failureOf(send(bucket, watched()))).toMatchObject({ code: 'AccessDenied', key: KEY });
      expect(closed).toBe(true);
      expectNothing(bucket);
    },
  );

  it.each([
    ['before it began', 0],
    ['while parts are sent', 2],
  ])('and is stopped %s leaves nothing', async (_, nth) => {
    await using bucket = await openTestBucket();
    const stop = new AbortController();
    const reason = new RollupError('Aborted', 'The run was stopped.');
    if (nth === 0) stop.abort(reason);
    bucket.sandbox.hook = (request) => {
      if (request.operation === 'UploadPart' && request.partNumber === nth) stop.abort(reason);
      return undefined;
    };
    expect(await failureOf(send(bucket, inChunks(bytes(6 * PART)), {}, stop))).toMatchObject({
      code: 'Aborted',
    });
    expectNothing(bucket);
  });

  it.each([
    ['in one request', PART - 5, 'PutObject'],
    ['in parts', 2 * PART, 'CompleteMultipartUpload'],
  ] as const)('%s leaves what is there with these bytes as it is', async (_, size, operation) => {
    await using bucket = await openTestBucket();
    const body = bytes(size);
    const first = await send(bucket, inChunks(body));
    bucket.sandbox.age(BUCKET, KEY, 3_600_000);
    const before = bucket.sandbox.head(BUCKET, KEY);
    expect(await send(bucket, inChunks(body))).toEqual(first);
    expect(bucket.sandbox.head(BUCKET, KEY)).toEqual(before);
    expect(bucket.sandbox.openUploads(BUCKET)).toEqual([]);
    bucket.sandbox.delete(BUCKET, KEY);
    bucket.sandbox.hook = onNth(1, matching(operation), LOST_ANSWER);
    expect(await send(bucket, inChunks(body))).toEqual(first);
    expect(bucket.sandbox.openUploads(BUCKET)).toEqual([]);
  });

  it.each([1 * MiB, 2 * PART])(
    'of %d bytes takes the place of other bytes, but not of what is ours',
    async (size) => {
      await using bucket = await openTestBucket();
      const { etag } = bucket.sandbox.put(BUCKET, KEY, 'the same, encoded otherwise');
      const kept = await send(bucket, inChunks(bytes(size)), {
        isOurs: (standing) => standing.etag === etag,
      });
      expect(kept).toMatchObject({ size: 27, etag });
      await send(bucket, inChunks(bytes(size)));
      expect(bucket.sandbox.get(BUCKET, KEY)?.equals(bytes(size))).toBe(true);
      expect(bucket.sandbox.openUploads(BUCKET)).toEqual([]);
    },
  );

  it.each<[string, Fault, string]>([
    ['meets a conflict', { kind: 'error', status: 409, code: 'ConditionalRequestConflict' }, 'Conflict'],
    ['is confirmed and comes to nothing', { kind: 'unkept' }, 'OutputMissing'],
    [
      'names a part that the store has forgotten',
      { kind: 'error', status: 400, code: 'InvalidPart' },
      'NoSuchUpload',
    ],
  ])('whose completion %s has to begin anew: no other completion is sent', async (_, fault, code) => {
    await using bucket = await openTestBucket();
    bucket.sandbox.hook = onNth(1, matching('CompleteMultipartUpload'), fault);
    expect(await failureOf(send(bucket, inChunks(bytes(2 * PART))))).toMatchObject({ code });
    expect(bucket.requests('CompleteMultipartUpload')).toHaveLength(1);
    expectNothing(bucket);
  });

  it.each([
    ['in one request', 1 * MiB],
    ['in parts', 2 * PART],
  ])('on a condition of its own, %s, replaces the object that it names and no other', async (_, size) => {
    await using bucket = await openTestBucket();
    const { etag } = bucket.sandbox.put(BUCKET, KEY, 'of another run');
    for (const condition of ['absent', { etag: 'another' }] as const) {
      const failure = await failureOf(send(bucket, inChunks(bytes(size)), { condition }));
      expect(failure).toMatchObject({ code: 'PreconditionFailed' });
      expect(bucket.sandbox.get(BUCKET, KEY)?.toString()).toBe('of another run');
      expect(bucket.sandbox.openUploads(BUCKET)).toEqual([]);
    }
    await send(bucket, inChunks(bytes(size)), { condition: { etag } });
    expect(bucket.sandbox.get(BUCKET, KEY)?.equals(bytes(size))).toBe(true);
  });

  it('is put again where its only part is confirmed and not there', async () => {
    await using bucket = await openTestBucket();
    bucket.sandbox.hook = onNth(1, matching('PutObject'), { kind: 'unkept' });
    const body = bytes(1000);
    await send(bucket, inChunks(body));
    expect(bucket.sandbox.get(BUCKET, KEY)?.equals(body)).toBe(true);
  });
});

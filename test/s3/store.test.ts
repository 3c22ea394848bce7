import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Checksum } from '../../lambda/rollup/model/checksum/checksum.ts';
import { MiB } from '../../lambda/size.ts';
import type { Fault } from '../../sandbox/sandbox.ts';
import { crc32Of, crc64Of } from '../support/checksums.ts';
import { LOST_ANSWER, REFUSED, fromNth, matching, onNth } from '../support/hooks.ts';
import { BUCKET, type TestBucket, failureOf, openTestBucket } from '../support/test-bucket.ts';

const KEY = 'agg/part-00000-0123456789ab.log';
const AT = { bucket: BUCKET, key: KEY };
const unstopped = (): AbortSignal => new AbortController().signal;

const METADATA = { 'added-newlines': 'AQ' };

function upload(bucket: TestBucket, body: Buffer, sumOf = crc32Of, checksum = sumOf(body)) {
  const partSize = 5 * MiB;
  const partChecksums: Checksum[] = [];
  for (let start = 0; start < body.length; start += partSize) {
    partChecksums.push(sumOf(body.subarray(start, start + partSize)));
  }
  const content = { body, checksum, partSize, partChecksums, metadata: METADATA };
  return bucket.connection.store.upload(AT, content, unstopped());
}

describe('an upload', () => {
  it.each([
    ['of one part', 4 * MiB, crc32Of],
    ['of just a part', 5 * MiB, crc32Of],
    ['of many parts', 23 * MiB + 1, crc32Of],
    ['of one byte', 1, crc32Of],
    ['of one part with a CRC-64/NVME', 4 * MiB, crc64Of],
    ['of many parts with a CRC-64/NVME', 23 * MiB + 1, crc64Of],
  ])('%s is there as it was sent, its checksum and metadata kept by S3', async (_, size, sumOf) => {
    await using bucket = await openTestBucket();
    const body = Buffer.alloc(size, 'line of a log\n');
    const written = await upload(bucket, body, sumOf);
    const head = bucket.sandbox.head(BUCKET, KEY);
    expect(written).toEqual({ etag: head?.etag, checksum: sumOf(body) });
    expect(await bucket.connection.store.head(AT)).toEqual({ size, ...written, metadata: METADATA });
    expect(bucket.sandbox.get(BUCKET, KEY)?.equals(body)).toBe(true);
  });

  it.each([
    ['in one request', 1 * MiB, crc32Of],
    ['in parts', 11 * MiB, crc32Of],
    ['in one request, with a CRC-64/NVME', 1 * MiB, crc64Of],
    ['in parts, with a CRC-64/NVME', 11 * MiB, crc64Of],
  ])(
    '%s whose bytes are not those of its checksum is refused by S3, and leaves nothing',
    async (_, size, sumOf) => {
      await using bucket = await openTestBucket();
      const other = sumOf('others');
      expect(await failureOf(upload(bucket, Buffer.alloc(size), sumOf, other))).toMatchObject({
        code: 'ChecksumMismatch',
      });
      expect(bucket.sandbox.keys(BUCKET)).toEqual([]);
      expect(bucket.sandbox.openUploads(BUCKET)).toEqual([]);
    },
  );

  it('of which a part is refused is aborted once no part is in flight', async () => {
    await using bucket = await openTestBucket();
    let inFlight = 0;
    let atTheEnd: number | undefined;
    const refused = onNth(2, matching('UploadPart'), REFUSED);
    bucket.sandbox.hook = async (request) => {
      if (request.operation === 'AbortMultipartUpload') atTheEnd = inFlight;
      const fault = await refused(request);
      if (request.operation !== 'UploadPart' || fault !== undefined) return fault;
      inFlight++;
      for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
      inFlight--;
      return undefined;
    };
    expect(await failureOf(upload(bucket, Buffer.alloc(23 * MiB)))).toMatchObject({ code: 'AccessDenied' });
    expect(atTheEnd).toBe(0);
    expect(bucket.sandbox.openUploads(BUCKET)).toEqual([]);
  });

  it.each([
    ['in one request', 1 * MiB, 'PutObject'],
    ['in parts', 11 * MiB, 'CompleteMultipartUpload'],
  ] as const)('%s replaces a foreign object only as it was examined', async (_, size, operation) => {
    await using bucket = await openTestBucket();
    const body = Buffer.alloc(size, 'line\n');
    bucket.sandbox.put(BUCKET, KEY, Buffer.alloc(size, 'fake\n'));
    let writes = 0;
    bucket.sandbox.hook = (request) => {
      // Another run replaces it first, and commits it under the ETag that it then has.
      if (request.operation === operation && ++writes === 2) bucket.sandbox.put(BUCKET, KEY, body);
      return undefined;
    };
    const { etag } = await upload(bucket, body);
    expect(writes).toBe(2);
    expect(etag).toBe(bucket.sandbox.head(BUCKET, KEY)?.etag);
    expect(etag).toBe(createHash('md5').update(body).digest('hex'));
    expect(bucket.sandbox.openUploads(BUCKET)).toEqual([]);
  });

  it.each([
    ['in one request', 1 * MiB, 'PutObject'],
    ['in parts', 11 * MiB, 'CompleteMultipartUpload'],
  ] as const)('%s leaves what is there with these bytes as it is', async (_, size, operation) => {
    await using bucket = await openTestBucket();
    const body = Buffer.alloc(size, 'line\n');
    const first = await upload(bucket, body);
    bucket.sandbox.age(BUCKET, KEY, 3_600_000);
    const before = bucket.sandbox.head(BUCKET, KEY);
    expect(await upload(bucket, body)).toEqual(first);
    expect(bucket.sandbox.head(BUCKET, KEY)).toEqual(before);
    bucket.sandbox.delete(BUCKET, KEY);
    bucket.sandbox.hook = onNth(1, matching(operation), LOST_ANSWER);
    expect(await upload(bucket, body)).toEqual(first);
    expect(bucket.sandbox.openUploads(BUCKET)).toEqual([]);
  });

  it('replaces an existing object that has other bytes', async () => {
    await using bucket = await openTestBucket();
    bucket.sandbox.put(BUCKET, KEY, 'something else');
    const body = Buffer.alloc(6 * MiB, 'line\n');
    await upload(bucket, body);
    expect(bucket.sandbox.get(BUCKET, KEY)?.equals(body)).toBe(true);
  });
});

describe('a read', () => {
  it('whose bytes were changed on the way is repeated', async () => {
    await using bucket = await openTestBucket();
    const body = Buffer.from('line of a log\n'.repeat(1000));
    const { etag } = bucket.sandbox.put(BUCKET, 'raw/a', body);
    bucket.sandbox.hook = onNth(1, matching('GetObject'), { kind: 'corrupt', atByte: 5_000 });
    const into = Buffer.alloc(body.length);
    const { store } = bucket.connection;
    expect(await store.read({ bucket: BUCKET, key: 'raw/a', etag }, into, unstopped())).toEqual({
      checksum: crc64Of(body),
      contentEncoding: undefined,
    });
    expect(into.equals(body)).toBe(true);
    expect(bucket.connection.takeRequests().retries).toBe(1);
  });

  it('whose bytes are changed every time ends with the key', async () => {
    await using bucket = await openTestBucket();
    const { etag } = bucket.sandbox.put(BUCKET, 'raw/a', 'line\n');
    bucket.sandbox.hook = fromNth(1, matching('GetObject'), { kind: 'corrupt', atByte: 2 });
    const reading = bucket.connection.store.read(
      { bucket: BUCKET, key: 'raw/a', etag },
      Buffer.alloc(5),
      unstopped(),
    );
    expect(await failureOf(reading)).toMatchObject({ code: 'ChecksumMismatch', key: 'raw/a' });
  });

  it('of a range gives just that range', async () => {
    await using bucket = await openTestBucket();
    const { etag } = bucket.sandbox.put(BUCKET, 'raw/a', '0123456789');
    const into = Buffer.alloc(4);
    const from = { bucket: BUCKET, key: 'raw/a', etag, range: { offset: 3, length: 4 } };
    expect(await bucket.connection.store.read(from, into, unstopped())).toMatchObject({
      checksum: crc32Of('3456'),
    });
    expect(into.toString()).toBe('3456');
  });

  it('of another length than listed fails, and releases its connection', async () => {
    await using bucket = await openTestBucket({ concurrency: 1, outputsInFlight: 1 });
    const { etag } = bucket.sandbox.put(BUCKET, 'raw/a', '0123456789');
    const from = { bucket: BUCKET, key: 'raw/a', etag };
    const { store } = bucket.connection;
    const readings = Array.from({ length: 8 }, () =>
      failureOf(store.read(from, Buffer.alloc(9), unstopped())),
    );
    for (const failure of await Promise.all(readings)) expect(failure).toMatchObject({ key: 'raw/a' });
    expect(await store.head(from)).toMatchObject({ size: 10 });
  });
});

describe('a stream', () => {
  it('gives chunks that are valid until the next is asked for, and then frees their memory', async () => {
    await using bucket = await openTestBucket();
    bucket.sandbox.put(BUCKET, 'raw/a', Buffer.alloc(MiB, 'line of a log\n'));
    const etag = bucket.sandbox.head(BUCKET, 'raw/a')?.etag ?? '';
    const kept: Buffer[] = [];
    for await (const chunk of bucket.connection.store.stream({ bucket: BUCKET, key: 'raw/a', etag })) {
      expect(kept.filter(({ length }) => length > 0)).toEqual([]);
      expect(chunk.includes('line of a log')).toBe(true);
      kept.push(chunk);
    }
    expect(kept.length).toBeGreaterThan(1);
  });

  it('continues at the byte where its body broke', async () => {
    await using bucket = await openTestBucket();
    const body = Buffer.from('0123456789'.repeat(50_000));
    const { etag } = bucket.sandbox.put(BUCKET, 'raw/a', body);
    bucket.sandbox.hook = onNth(1, matching('GetObject'), { kind: 'cut', afterBytes: 200_003, how: 'reset' });
    const chunks: Buffer[] = [];
    for await (const chunk of bucket.connection.store.stream({ bucket: BUCKET, key: 'raw/a', etag }))
      chunks.push(Buffer.from(chunk));
    expect(Buffer.concat(chunks).equals(body)).toBe(true);
  });

  it('does not continue in another version of the object', async () => {
    await using bucket = await openTestBucket();
    const { etag } = bucket.sandbox.put(BUCKET, 'raw/a', Buffer.alloc(500_000));
    bucket.sandbox.hook = onNth(1, matching('GetObject'), { kind: 'cut', afterBytes: 200_003, how: 'reset' });
    const reading = (async () => {
      let length = 0;
      for await (const chunk of bucket.connection.store.stream({ bucket: BUCKET, key: 'raw/a', etag })) {
        length += chunk.length;
        bucket.sandbox.put(BUCKET, 'raw/a', Buffer.alloc(500_000, 1));
      }
      return length;
    })();
    expect(await failureOf(reading)).toMatchObject({ code: 'SourceChanged', key: 'raw/a' });
  });

  it('that is left early releases its connection', async () => {
    await using bucket = await openTestBucket({ concurrency: 1, outputsInFlight: 1 });
    const { etag } = bucket.sandbox.put(BUCKET, 'raw/a', Buffer.alloc(3_000_000));
    const at = { bucket: BUCKET, key: 'raw/a', etag };
    for (let i = 0; i < 20; i++) {
      for await (const chunk of bucket.connection.store.stream(at)) {
        expect(chunk.length).toBeGreaterThan(0);
        break;
      }
    }
    expect(await bucket.connection.store.head(at)).toBeDefined();
  });
});

describe('a small object', () => {
  it('is written only if its condition holds', async () => {
    await using bucket = await openTestBucket();
    const { store } = bucket.connection;
    const at = { bucket: BUCKET, key: 'agg/_manifest.json' };
    expect(await failureOf(store.put(at, Buffer.from('1'), 'text/plain', { etag: 'none' }))).toMatchObject({
      code: 'SourceVanished',
    });
    const { etag } = await store.put(at, Buffer.from('1'), 'text/plain', 'absent');
    expect(await failureOf(store.put(at, Buffer.from('2'), 'text/plain', 'absent'))).toMatchObject({
      code: 'PreconditionFailed',
    });
    expect(await failureOf(store.put(at, Buffer.from('2'), 'text/plain', { etag: 'other' }))).toMatchObject({
      code: 'PreconditionFailed',
    });
    expect(bucket.sandbox.get(BUCKET, at.key)?.toString()).toBe('1');
    await store.put(at, Buffer.from('2'), 'text/plain', { etag });
    expect((await store.getIfPresent(at))?.body.toString()).toBe('2');
  });

  it.each([
    ['is not there', 'missing'],
    ['is empty', 'empty'],
  ])('that %s', async (_, key) => {
    await using bucket = await openTestBucket();
    bucket.sandbox.put(BUCKET, 'empty', '');
    const found = await bucket.connection.store.getIfPresent({ bucket: BUCKET, key });
    expect(found?.body).toEqual(key === 'empty' ? Buffer.alloc(0) : undefined);
    expect(await bucket.connection.store.head({ bucket: BUCKET, key })).toEqual(
      key === 'empty' ? expect.objectContaining({ size: 0 }) : undefined,
    );
    expect(bucket.connection.takeRequests().retries).toBe(0);
  });
});

describe('a delete', () => {
  it('takes more keys than one request may have, also of objects that do not exist', async () => {
    await using bucket = await openTestBucket();
    const keys = Array.from({ length: 1_500 }, (_, i) => `agg/${i} +%&<>'"ü😀`);
    for (const key of keys) bucket.sandbox.put(BUCKET, key, 'x');
    bucket.sandbox.put(BUCKET, 'agg/kept', 'x');
    await bucket.connection.store.delete(BUCKET, [...keys, 'agg/never-there']);
    expect(bucket.sandbox.keys(BUCKET)).toEqual(['agg/kept']);
    expect(bucket.requests('DeleteObjects')).toHaveLength(2);
  });

  it('sends keys that XML cannot carry one by one, and the others together', async () => {
    await using bucket = await openTestBucket();
    const odd = ['agg/a\u0001b', 'agg/\u001b[31m', 'agg/\ufffe', 'agg/\uffff\b'];
    const even = [
      'agg/a\nb',
      'agg/c\rd',
      'agg/\t',
      'agg/\u007f',
      'agg/\u0085\u2028',
      'agg/&#x1;',
      'agg/\ufffd',
    ];
    const { store } = bucket.connection;
    const put = (): void => {
      for (const key of [...odd, ...even]) bucket.sandbox.put(BUCKET, key, 'x');
      bucket.sandbox.clearRequests();
    };
    put();
    const listed = [];
    for await (const page of store.list({ bucket: BUCKET, prefix: 'agg/' })) listed.push(...page);
    expect(listed.map(({ key }) => key).sort()).toEqual([...odd, ...even].sort());
    await store.delete(BUCKET, [...odd, ...even]);
    expect(bucket.sandbox.keys(BUCKET)).toEqual([]);
    expect(bucket.requests('DeleteObjects')).toHaveLength(1);
    expect(bucket.requests('DeleteObject')).toHaveLength(odd.length);
    put();
    expect(await store.deleteUnchanged(BUCKET, listed, new AbortController().signal)).toEqual([]);
    expect(bucket.sandbox.keys(BUCKET)).toEqual([]);
    expect(bucket.requests('DeleteObject')).toHaveLength(odd.length);
  });

  it.each<['DeleteObject' | 'DeleteObjects', string | undefined]>([
    ['DeleteObjects', undefined],
    ['DeleteObject', 'agg/\u0001'],
  ])('that is refused is told: %s', async (operation, key) => {
    await using bucket = await openTestBucket();
    const keys = ['agg/\u0001', 'agg/a'];
    for (const each of keys) bucket.sandbox.put(BUCKET, each, 'x');
    bucket.sandbox.hook = fromNth(1, matching(operation, key), REFUSED);
    expect(await failureOf(bucket.connection.store.delete(BUCKET, keys))).toMatchObject({
      code: 'AccessDenied',
    });
  });

  it.each(['InternalError', 'SlowDown'])('asks again for keys that are answered with %s', async (code) => {
    await using bucket = await openTestBucket();
    const keys = ['agg/a', 'agg/b', 'agg/c'];
    for (const key of keys) bucket.sandbox.put(BUCKET, key, 'x');
    const busy: Fault = { kind: 'refuse-keys', code: (key) => (key === 'agg/b' ? code : undefined) };
    bucket.sandbox.hook = onNth(1, matching('DeleteObjects'), busy);
    await bucket.connection.store.delete(BUCKET, keys);
    expect(bucket.sandbox.keys(BUCKET)).toEqual([]);
    expect(bucket.requests('DeleteObjects')).toHaveLength(2);
  });

  it('of no keys sends no request', async () => {
    await using bucket = await openTestBucket();
    await bucket.connection.store.delete(BUCKET, []);
    expect(bucket.sandbox.requests).toEqual([]);
  });
});

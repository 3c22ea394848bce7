import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetBucketLocationCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  ListObjectsV2Command,
  paginateListObjectsV2,
  PutObjectCommand,
  PutObjectTaggingCommand,
  type GetObjectCommandInput,
  type ListObjectsV2CommandInput,
  type PutObjectCommandInput,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTarget, refusal, type Target } from './target.ts';

let target: Target;
beforeAll(async () => {
  target = await openTarget();
});
afterAll(() => target.close());

function put(key: string, body: string | Buffer, more: Partial<PutObjectCommandInput> = {}) {
  return target.client.send(
    new PutObjectCommand({ Bucket: target.bucket, Key: key, Body: Buffer.from(body), ...more }),
  );
}

function get(key: string, more: Partial<GetObjectCommandInput> = {}) {
  return target.client.send(new GetObjectCommand({ Bucket: target.bucket, Key: key, ...more }));
}

async function text(key: string, more: Partial<GetObjectCommandInput> = {}): Promise<string | undefined> {
  return (await get(key, more)).Body?.transformToString();
}

function list(more: Partial<ListObjectsV2CommandInput>) {
  return target.client.send(new ListObjectsV2Command({ Bucket: target.bucket, ...more }));
}

function source(key: string): string {
  return `${target.bucket}/${encodeURIComponent(key)}`;
}

const MD5 = createHash('md5').update('hello').digest('hex');
const CRC32 = Buffer.alloc(4);
CRC32.writeUInt32BE(crc32('hello'));

describe('keys', () => {
  const cases = {
    spaces: ' two  words ',
    plus: 'a+b',
    percent: '100%25%2F',
    ampersand: 'a&b&amp;c',
    'question mark': 'a?b=c&x-id=PutObject',
    hash: 'a#b',
    equals: 'k=v',
    quotes: `"double" 'single' \`back\``,
    angles: '<Key>x</Key>',
    'beyond the BMP': '\u{1f600}\u{10ffff}/\u{1d11e}',
    'private use and combining': '\ue000\ufffd e\u0301 \u00e9',
    newlines: 'a\nb\r\nc\td',
    'other control characters': 'a\u0001b\u007fc',
    '.. at the end': 'a/..',
    '.. within': '../../a/./b',
    'leading slash': '/a',
    'double slashes': 'a//b///',
    'only a slash': '/',
    reserved: `!*'();:@,[]{}|\\^~$`,
  };

  it.each(Object.entries(cases))('%s', async (name, odd) => {
    const prefix = target.prefix();
    const key = prefix + odd;
    await put(key, 'hello');
    expect(await text(key)).toBe('hello');
    const head = await target.client.send(new HeadObjectCommand({ Bucket: target.bucket, Key: key }));
    expect(head.ContentLength).toBe(5);

    const { Contents: listed = [], EncodingType } = await list({ Prefix: prefix, EncodingType: 'url' });
    // Keys are encoded only where the answer says so.
    const decoded = (encoded = ''): string =>
      EncodingType === 'url' ? decodeURIComponent(encoded.replaceAll('+', ' ')) : encoded;
    expect(listed.map(({ Key }) => decoded(Key))).toEqual([key]);

    const copy = `${prefix}copy-of-${odd}`;
    await target.client.send(
      new CopyObjectCommand({ Bucket: target.bucket, Key: copy, CopySource: source(key) }),
    );
    expect(await text(copy)).toBe('hello');

    if (name === 'other control characters') {
      // XML 1.0 cannot carry this key.
      await target.client.send(new DeleteObjectCommand({ Bucket: target.bucket, Key: copy }));
    } else {
      const Delete = { Objects: [{ Key: copy }], Quiet: true };
      const { Errors } = await target.client.send(
        new DeleteObjectsCommand({ Bucket: target.bucket, Delete }),
      );
      expect(Errors ?? []).toEqual([]);
    }
    await target.client.send(new DeleteObjectCommand({ Bucket: target.bucket, Key: key }));
    expect((await list({ Prefix: prefix })).KeyCount).toBe(0);
  });

  it('are listed unencoded if no encoding is asked for', async () => {
    const prefix = target.prefix();
    const odd = ['a\nb', 'a b+c&d<e>"f"', '\u{1f600}', ' edge '];
    for (const key of odd) await put(prefix + key, '');
    const { Contents = [] } = await list({ Prefix: prefix });
    expect(Contents.map(({ Key }) => Key)).toEqual([...odd].sort(byUtf8).map((key) => prefix + key));
  });

  it('have at most 1,024 bytes, not characters', async () => {
    const prefix = target.prefix();
    const longest =
      prefix + '\u00e9'.repeat((1024 - prefix.length) / 2) + 'x'.repeat((1024 - prefix.length) % 2);
    expect(Buffer.byteLength(longest)).toBe(1024);
    await put(longest, 'hello');
    expect(await text(longest)).toBe('hello');
    expect(await refusal(put(`${longest}x`, 'hello'))).toEqual({ code: 'KeyTooLongError', status: 400 });
  });
});

function byUtf8(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

describe('listing', () => {
  // UTF-16 order would put the astral characters before U+E000 and U+FFFD; a locale would mix the cases.
  const names = [
    'B',
    'a',
    'b',
    'A',
    'aB',
    'ab',
    'a-b',
    'a_b',
    'Z',
    'z',
    '\u00e9',
    '\ue000',
    '\ufffd',
    '\u{1f600}',
    '~',
  ];
  const many = Array.from({ length: 6 }, (_, i) => names.map((name) => `${name}${i}`)).flat();
  let prefix: string;

  beforeAll(async () => {
    prefix = target.prefix();
    for (const name of many) await put(prefix + name, name);
  });

  async function pages(more: Partial<ListObjectsV2CommandInput>): Promise<{ keys: string[]; pages: number }> {
    const keys: string[] = [];
    let count = 0;
    const input = { Bucket: target.bucket, Prefix: prefix, ...more };
    for await (const page of paginateListObjectsV2({ client: target.client }, input)) {
      // S3 does not promise that a page has a key, nor that the last one does.
      if ((page.KeyCount ?? 0) > 0) count++;
      expect(page.KeyCount).toBe((page.Contents?.length ?? 0) + (page.CommonPrefixes?.length ?? 0));
      for (const { Key = '' } of page.Contents ?? []) keys.push(Key.slice(prefix.length));
      for (const { Prefix = '' } of page.CommonPrefixes ?? []) keys.push(Prefix.slice(prefix.length));
    }
    return { keys, pages: count };
  }

  it.each([1, 7, 15, 89, 90, 91, 1000])('is in UTF-8 order over pages of %d', async (size) => {
    expect(await pages({ MaxKeys: size })).toEqual({
      keys: [...many].sort(byUtf8),
      pages: Math.ceil(many.length / Math.min(size, many.length)),
    });
  });

  it.each(['a', 'aB3', 'm', '\u{1f600}2', '\ue0003', '\u{10ffff}', '0'])('starts after %j', async (after) => {
    const { keys } = await pages({ StartAfter: prefix + after, MaxKeys: 10 });
    expect(keys).toEqual([...many].sort(byUtf8).filter((key) => byUtf8(key, after) > 0));
  });

  it.each([
    ['a', many.filter((name) => name.startsWith('a')).sort(byUtf8)],
    ['\u{1f600}', many.filter((name) => name.startsWith('\u{1f600}')).sort(byUtf8)],
    ['nothing', []],
  ])('has only what begins with the prefix %j', async (begin, expected) => {
    const { Contents = [], IsTruncated } = await list({ Prefix: prefix + begin });
    expect(Contents.map(({ Key }) => Key)).toEqual(expected.map((name) => prefix + name));
    expect(IsTruncated).toBe(false);
  });

  it('has nothing and no next page with max-keys 0', async () => {
    expect(await list({ Prefix: prefix, MaxKeys: 0 })).toMatchObject({ KeyCount: 0, IsTruncated: false });
  });

  it('refuses a token that it did not give', async () => {
    const sent = list({ Prefix: prefix, ContinuationToken: 'made up' });
    expect(await refusal(sent)).toEqual({ code: 'InvalidArgument', status: 400 });
  });

  it('shows size, ETag, time and class', async () => {
    const key = `${target.prefix()}x`;
    const before = Math.floor(Date.now() / 1000) * 1000;
    await put(key, 'hello');
    const { Contents = [] } = await list({ Prefix: key });
    expect(Contents).toMatchObject([{ Key: key, Size: 5, ETag: `"${MD5}"`, StorageClass: 'STANDARD' }]);
    const modified = Contents[0]?.LastModified?.getTime() ?? 0;
    expect(Math.abs(modified - before)).toBeLessThan(60_000);
  });

  it('shows every change at once', async () => {
    const own = target.prefix();
    const keys = async () =>
      ((await list({ Prefix: own })).Contents ?? []).map(({ Key = '' }) => Key.slice(own.length));
    for (const name of ['b', 'a', 'c']) await put(own + name, '');
    expect(await keys()).toEqual(['a', 'b', 'c']);
    await target.client.send(new DeleteObjectCommand({ Bucket: target.bucket, Key: `${own}b` }));
    expect(await keys()).toEqual(['a', 'c']);
    await put(`${own}b`, 'again');
    await put(`${own}a0`, '');
    expect(await keys()).toEqual(['a', 'a0', 'b', 'c']);
  });

  describe('with a delimiter', () => {
    let folders: string;
    const keys = ['a', 'b/1', 'b/2', 'b/c/3', 'b0', 'c/', 'c/1', 'd', '\u{1f600}/1', '\u{1f600}/2'];
    beforeAll(async () => {
      folders = target.prefix();
      for (const key of keys) await put(folders + key, '');
    });

    it.each([
      ['', { keys: ['a', 'b0', 'd'], prefixes: ['b/', 'c/', '\u{1f600}/'] }],
      ['b/', { keys: ['b/1', 'b/2'], prefixes: ['b/c/'] }],
      ['c/', { keys: ['c/', 'c/1'], prefixes: [] }],
    ])('under %j', async (below, expected) => {
      for (const MaxKeys of [1, 2, 3, 1000]) {
        const found: { keys: string[]; prefixes: string[] } = { keys: [], prefixes: [] };
        const input = { Bucket: target.bucket, Prefix: folders + below, Delimiter: '/', MaxKeys };
        for await (const page of paginateListObjectsV2({ client: target.client }, input)) {
          for (const { Key = '' } of page.Contents ?? []) found.keys.push(Key.slice(folders.length));
          for (const { Prefix = '' } of page.CommonPrefixes ?? [])
            found.prefixes.push(Prefix.slice(folders.length));
        }
        expect(found).toEqual(expected);
      }
    });
  });
});

describe('GetObject and HeadObject', () => {
  let key: string;
  let etag: string;
  const body = '0123456789';
  beforeAll(async () => {
    key = `${target.prefix()}digits`;
    etag = (await put(key, body)).ETag ?? '';
  });

  it.each([
    ['bytes=0-0', '0', 'bytes 0-0/10'],
    ['bytes=3-5', '345', 'bytes 3-5/10'],
    ['bytes=7-', '789', 'bytes 7-9/10'],
    ['bytes=7-99', '789', 'bytes 7-9/10'],
    ['bytes=-4', '6789', 'bytes 6-9/10'],
    ['bytes=-99', body, 'bytes 0-9/10'],
    ['bytes=5-2', body, undefined],
    ['lines=1-2', body, undefined],
  ])('range %s', async (Range, expected, contentRange) => {
    const reply = await get(key, { Range });
    expect(await reply.Body?.transformToString()).toBe(expected);
    expect(reply).toMatchObject({ ContentLength: expected.length });
    expect(reply.ContentRange).toBe(contentRange);
    expect(reply.$metadata.httpStatusCode).toBe(contentRange === undefined ? 200 : 206);
  });

  it.each(['bytes=10-', 'bytes=10-20', 'bytes=-0'])('range %s cannot be satisfied', async (Range) => {
    expect(await refusal(get(key, { Range }))).toEqual({ code: 'InvalidRange', status: 416 });
  });

  const past = new Date('2000-01-01');
  const wrong = '"00000000000000000000000000000000"';
  it.each<[string, () => Partial<GetObjectCommandInput>, number]>([
    ['If-Match its ETag', () => ({ IfMatch: etag }), 200],
    ['If-Match its ETag without quotes', () => ({ IfMatch: etag.replaceAll('"', '') }), 200],
    ['If-Match another', () => ({ IfMatch: wrong }), 412],
    ['If-None-Match its ETag', () => ({ IfNoneMatch: etag }), 304],
    ['If-None-Match another', () => ({ IfNoneMatch: wrong }), 200],
    ['If-Modified-Since long ago', () => ({ IfModifiedSince: past }), 200],
    ['If-Modified-Since now', () => ({ IfModifiedSince: new Date() }), 304],
    ['If-Unmodified-Since long ago', () => ({ IfUnmodifiedSince: past }), 412],
    ['If-Unmodified-Since now', () => ({ IfUnmodifiedSince: new Date(Date.now() + 60_000) }), 200],
    ['If-Match over If-Unmodified-Since', () => ({ IfMatch: etag, IfUnmodifiedSince: past }), 200],
    ['If-None-Match over If-Modified-Since', () => ({ IfNoneMatch: etag, IfModifiedSince: past }), 304],
  ])('%s', async (_name, conditions, status) => {
    if (status === 200) expect(await text(key, conditions())).toBe(body);
    else expect((await refusal(get(key, conditions()))).status).toBe(status);
    const head = target.client.send(
      new HeadObjectCommand({ Bucket: target.bucket, Key: key, ...conditions() }),
    );
    if (status === 200) expect((await head).ContentLength).toBe(body.length);
    else expect((await refusal(head)).status).toBe(status);
  });

  it('of a key that does not exist are NoSuchKey and 404', async () => {
    expect(await refusal(get(`${key}-not`))).toEqual({ code: 'NoSuchKey', status: 404 });
    const head = target.client.send(new HeadObjectCommand({ Bucket: target.bucket, Key: `${key}-not` }));
    expect(await refusal(head)).toEqual({ code: 'NotFound', status: 404 });
  });

  it('return the headers and metadata that were sent with the object', async () => {
    const rich = `${key}-rich`;
    await put(rich, 'hello', {
      ContentType: 'text/plain; charset=utf-8',
      ContentEncoding: 'gzip',
      CacheControl: 'no-store',
      ContentDisposition: 'attachment; filename="x"',
      Metadata: { origin: 'checkout', 'with-dash': '1' },
      StorageClass: 'STANDARD_IA',
      Tagging: 'team=logs&kind=raw%20data',
    });
    const command = new HeadObjectCommand({ Bucket: target.bucket, Key: rich });
    const expected = {
      ContentType: 'text/plain; charset=utf-8',
      ContentEncoding: 'gzip',
      CacheControl: 'no-store',
      ContentDisposition: 'attachment; filename="x"',
      Metadata: { origin: 'checkout', 'with-dash': '1' },
      StorageClass: 'STANDARD_IA',
      ETag: `"${MD5}"`,
      ContentLength: 5,
      AcceptRanges: 'bytes',
    };
    expect(await target.client.send(command)).toMatchObject(expected);
    const reply = await get(rich);
    expect(reply).toMatchObject({ ...expected, TagCount: 2 });
    expect(await reply.Body?.transformToString()).toBe('hello');
    const tags = new GetObjectTaggingCommand({ Bucket: target.bucket, Key: rich });
    expect(
      (await target.client.send(tags)).TagSet?.map(({ Key, Value }) => `${Key}=${Value}`).sort(),
    ).toEqual(['kind=raw data', 'team=logs']);
    const Tagging = { TagSet: [{ Key: 'only', Value: 'one' }] };
    await target.client.send(new PutObjectTaggingCommand({ Bucket: target.bucket, Key: rich, Tagging }));
    expect((await target.client.send(tags)).TagSet).toEqual([{ Key: 'only', Value: 'one' }]);
  });

  it('return checksums when asked, but none of a range', async () => {
    const mode = { ChecksumMode: 'ENABLED' as const };
    const whole = await get(key, mode);
    await whole.Body?.transformToByteArray();
    expect(whole).toMatchObject({
      ChecksumCRC32: expect.stringMatching(/==$/) as string,
      ChecksumType: 'FULL_OBJECT',
    });
    const range = await get(key, { ...mode, Range: 'bytes=1-2' });
    await range.Body?.transformToByteArray();
    expect(range.ChecksumCRC32).toBeUndefined();
    const head = { Bucket: target.bucket, Key: key };
    expect((await target.client.send(new HeadObjectCommand(head))).ChecksumCRC32).toBeUndefined();
    expect((await target.client.send(new HeadObjectCommand({ ...head, ...mode }))).ChecksumCRC32).toBe(
      whole.ChecksumCRC32,
    );
  });
});

describe('PutObject', () => {
  const wrongEtag = '"00000000000000000000000000000000"';

  it.each<[string, 'new' | 'there', Partial<PutObjectCommandInput>, 'written' | [string, number]]>([
    ['If-None-Match: * on a new key', 'new', { IfNoneMatch: '*' }, 'written'],
    ['If-None-Match: * on one that is there', 'there', { IfNoneMatch: '*' }, ['PreconditionFailed', 412]],
    [
      'If-Match its ETag',
      'there',
      { IfMatch: `"${createHash('md5').update('old').digest('hex')}"` },
      'written',
    ],
    ['If-Match another', 'there', { IfMatch: wrongEtag }, ['PreconditionFailed', 412]],
    ['If-Match on a new key', 'new', { IfMatch: wrongEtag }, ['NoSuchKey', 404]],
    ['right Content-MD5', 'new', { ContentMD5: createHash('md5').update('new').digest('base64') }, 'written'],
    [
      'wrong Content-MD5',
      'there',
      { ContentMD5: createHash('md5').update('x').digest('base64') },
      ['BadDigest', 400],
    ],
    ['Content-MD5 that is none', 'there', { ContentMD5: 'bm90IGFuIG1kNQ==' }, ['InvalidDigest', 400]],
    ['unknown storage class', 'there', { StorageClass: 'CHEAP' as 'STANDARD' }, ['InvalidStorageClass', 400]],
  ])('%s', async (_name, state, more, expected) => {
    const key = `${target.prefix()}x`;
    if (state === 'there') await put(key, 'old');
    if (expected === 'written') {
      const etag = createHash('md5').update('new').digest('hex');
      expect((await put(key, 'new', more)).ETag).toBe(`"${etag}"`);
      expect(await text(key)).toBe('new');
    } else {
      const [code, status] = expected;
      expect(await refusal(put(key, 'new', more))).toEqual({ code, status });
      if (state === 'there') expect(await text(key)).toBe('old');
      else expect(await refusal(get(key))).toEqual({ code: 'NoSuchKey', status: 404 });
    }
  });

  const digests = {
    ChecksumCRC32: CRC32.toString('base64'),
    ChecksumCRC32C: 'mnG7TA==',
    ChecksumCRC64NVME: 'M3eFcAZSQlc=',
    ChecksumSHA1: createHash('sha1').update('hello').digest('base64'),
    ChecksumSHA256: createHash('sha256').update('hello').digest('base64'),
  };
  it.each(Object.entries(digests))('%s is checked, kept and shown', async (name, value) => {
    const key = `${target.prefix()}x`;
    expect(await put(key, 'hello', { [name]: value })).toMatchObject({ [name]: value });
    const reply = await get(key, { ChecksumMode: 'ENABLED' });
    expect(await reply.Body?.transformToString()).toBe('hello');
    expect(reply).toMatchObject({ [name]: value, ChecksumType: 'FULL_OBJECT' });
    const { Contents } = await list({ Prefix: key });
    expect(Contents).toMatchObject([{ ChecksumAlgorithm: [name.slice('Checksum'.length)] }]);

    expect(await refusal(put(key, 'hallo', { [name]: value }))).toEqual({ code: 'BadDigest', status: 400 });
    expect(await text(key)).toBe('hello');
  });

  it('of an empty body creates an object', async () => {
    const key = `${target.prefix()}empty`;
    await put(key, '');
    expect(await get(key)).toMatchObject({ ContentLength: 0, ETag: '"d41d8cd98f00b204e9800998ecf8427e"' });
    expect(await refusal(get(key, { Range: 'bytes=0-0' }))).toEqual({ code: 'InvalidRange', status: 416 });
  });

  it('of 20 at once with If-None-Match: * exactly one wins', async () => {
    const key = `${target.prefix()}race`;
    const outcomes = await Promise.allSettled(
      Array.from({ length: 20 }, (_, i) => put(key, `writer ${i}`, { IfNoneMatch: '*' })),
    );
    const winners = outcomes.flatMap(({ status }, i) => (status === 'fulfilled' ? [`writer ${i}`] : []));
    expect(winners).toHaveLength(1);
    expect(await text(key)).toBe(winners[0]);
  });

  it('of 20 at once with If-Match exactly one wins', async () => {
    const key = `${target.prefix()}race`;
    const { ETag } = await put(key, 'first');
    const outcomes = await Promise.allSettled(
      Array.from({ length: 20 }, (_, i) => put(key, `writer ${i}`, { IfMatch: ETag })),
    );
    const winners = outcomes.flatMap(({ status }, i) => (status === 'fulfilled' ? [`writer ${i}`] : []));
    expect(winners).toHaveLength(1);
    expect(await text(key)).toBe(winners[0]);
  });
});

describe('CopyObject', () => {
  function copy(key: string, from: string, more = {}) {
    return target.client.send(
      new CopyObjectCommand({ Bucket: target.bucket, Key: key, CopySource: source(from), ...more }),
    );
  }

  it('copies bytes, ETag, type, metadata and tags', async () => {
    const prefix = target.prefix();
    await put(`${prefix}a`, 'hello', { ContentType: 'text/x', Metadata: { m: '1' }, Tagging: 't=1' });
    const { CopyObjectResult: result } = await copy(`${prefix}b`, `${prefix}a`);
    expect(result).toMatchObject({ ETag: `"${MD5}"`, ChecksumCRC32: CRC32.toString('base64') });
    const reply = await get(`${prefix}b`);
    expect(await reply.Body?.transformToString()).toBe('hello');
    expect(reply).toMatchObject({ ContentType: 'text/x', Metadata: { m: '1' }, TagCount: 1 });
  });

  it('replaces metadata and adds a checksum when asked', async () => {
    const prefix = target.prefix();
    await put(`${prefix}a`, 'hello', { ContentType: 'text/x', Metadata: { m: '1' } });
    const more = { MetadataDirective: 'REPLACE', ContentType: 'text/y', ChecksumAlgorithm: 'SHA256' };
    const { CopyObjectResult: result } = await copy(`${prefix}b`, `${prefix}a`, more);
    expect(result?.ChecksumSHA256).toBe(createHash('sha256').update('hello').digest('base64'));
    const head = new HeadObjectCommand({ Bucket: target.bucket, Key: `${prefix}b` });
    expect(await target.client.send(head)).toMatchObject({ ContentType: 'text/y', Metadata: {} });
  });

  it.each<[string, () => object, [string, number] | undefined]>([
    ['source If-Match its ETag', () => ({ CopySourceIfMatch: `"${MD5}"` }), undefined],
    ['source If-Match another', () => ({ CopySourceIfMatch: '"0"' }), ['PreconditionFailed', 412]],
    [
      'source If-None-Match its ETag',
      () => ({ CopySourceIfNoneMatch: `"${MD5}"` }),
      ['PreconditionFailed', 412],
    ],
    ['source missing', () => ({ CopySource: source('not-there') }), ['NoSuchKey', 404]],
    [
      'source bucket missing',
      () => ({ CopySource: `no-such-bucket-${Date.now()}/x` }),
      ['NoSuchBucket', 404],
    ],
  ])('%s', async (_name, more, expected) => {
    const prefix = target.prefix();
    await put(`${prefix}a`, 'hello');
    const sent = copy(`${prefix}b`, `${prefix}a`, more());
    if (expected === undefined) {
      await sent;
      expect(await text(`${prefix}b`)).toBe('hello');
    } else {
      expect(await refusal(sent)).toEqual({ code: expected[0], status: expected[1] });
      expect(await refusal(get(`${prefix}b`))).toEqual({ code: 'NoSuchKey', status: 404 });
    }
  });

  it('onto itself is refused unless it changes something', async () => {
    const key = `${target.prefix()}a`;
    await put(key, 'hello');
    expect(await refusal(copy(key, key))).toEqual({ code: 'InvalidRequest', status: 400 });
    await copy(key, key, { MetadataDirective: 'REPLACE', Metadata: { now: 'changed' } });
    expect(await text(key)).toBe('hello');
  });
});

describe('deleting', () => {
  it('of a missing object is no error', async () => {
    const gone = new DeleteObjectCommand({ Bucket: target.bucket, Key: `${target.prefix()}x` });
    expect((await target.client.send(gone)).$metadata.httpStatusCode).toBe(204);
  });

  it('with If-Match deletes only an object with that ETag', async () => {
    const key = `${target.prefix()}x`;
    await put(key, 'hello');
    const remove = (IfMatch: string) =>
      target.client.send(new DeleteObjectCommand({ Bucket: target.bucket, Key: key, IfMatch }));
    expect(await refusal(remove('"0"'))).toEqual({ code: 'PreconditionFailed', status: 412 });
    expect(await text(key)).toBe('hello');
    await remove(`"${MD5}"`);
    expect(await refusal(get(key))).toEqual({ code: 'NoSuchKey', status: 404 });
    expect(await refusal(remove(`"${MD5}"`))).toEqual({ code: 'NoSuchKey', status: 404 });
  });

  it('in a batch with ETags deletes only objects that have theirs', async () => {
    const prefix = target.prefix();
    for (const name of ['changed', 'same', 'unconditional']) await put(prefix + name, 'hello');
    const Objects = [
      { Key: `${prefix}changed`, ETag: '"0"' },
      { Key: `${prefix}missing`, ETag: `"${MD5}"` },
      { Key: `${prefix}same`, ETag: `"${MD5}"` },
      { Key: `${prefix}unconditional` },
    ];
    const command = new DeleteObjectsCommand({ Bucket: target.bucket, Delete: { Objects, Quiet: true } });
    const { Errors = [] } = await target.client.send(command);
    expect(Errors.map(({ Key = '', Code }) => [Key.slice(prefix.length), Code])).toEqual([
      ['changed', 'PreconditionFailed'],
      ['missing', 'NoSuchKey'],
    ]);
    expect((await list({ Prefix: prefix })).Contents?.map(({ Key }) => Key)).toEqual([`${prefix}changed`]);
  });

  it.each([true, false])('in a batch names deleted keys, or is quiet: %s', async (Quiet) => {
    const prefix = target.prefix();
    for (const name of ['a', 'b', 'keep']) await put(prefix + name, name);
    const Objects = ['a', 'b', 'missing'].map((name) => ({ Key: prefix + name }));
    const command = new DeleteObjectsCommand({ Bucket: target.bucket, Delete: { Objects, Quiet } });
    const { Deleted, Errors } = await target.client.send(command);
    expect((Deleted ?? []).map(({ Key }) => Key).sort()).toEqual(Quiet ? [] : Objects.map(({ Key }) => Key));
    expect(Errors ?? []).toEqual([]);
    expect((await list({ Prefix: prefix })).Contents?.map(({ Key }) => Key)).toEqual([`${prefix}keep`]);
  });

  it.each(['\u0001', '\u001b[31m', '\ufffe'])(
    'in a batch is refused for a key that XML 1.0 cannot carry: %j',
    async (odd) => {
      const prefix = target.prefix();
      const key = `${prefix}${odd}`;
      await put(key, 'hello');
      await put(`${prefix}even`, 'hello');
      const Objects = [{ Key: `${prefix}even` }, { Key: key }];
      const command = new DeleteObjectsCommand({ Bucket: target.bucket, Delete: { Objects } });
      expect(await refusal(target.client.send(command))).toEqual({ code: 'MalformedXML', status: 400 });
      const { Contents = [] } = await list({ Prefix: prefix, EncodingType: 'url' });
      expect(Contents).toHaveLength(2);
      await target.client.send(new DeleteObjectCommand({ Bucket: target.bucket, Key: key }));
      expect((await list({ Prefix: prefix })).Contents?.map(({ Key }) => Key)).toEqual([`${prefix}even`]);
    },
  );

  it('in a batch takes 1,000 keys at most', async () => {
    const prefix = target.prefix();
    const Objects = Array.from({ length: 1001 }, (_, i) => ({ Key: `${prefix}${i}` }));
    const sent = (count: number) => {
      const Delete = { Objects: Objects.slice(0, count), Quiet: true };
      return target.client.send(new DeleteObjectsCommand({ Bucket: target.bucket, Delete }));
    };
    await sent(1000);
    expect(await refusal(sent(1001))).toEqual({ code: 'MalformedXML', status: 400 });
  });
});

describe('buckets', () => {
  const missing = { Bucket: `no-such-bucket-${Date.now()}` };

  it('that do not exist are NoSuchBucket', async () => {
    const { client } = target;
    const expected = { code: 'NoSuchBucket', status: 404 };
    expect(await refusal(client.send(new ListObjectsV2Command(missing)))).toEqual(expected);
    expect(await refusal(client.send(new GetObjectCommand({ ...missing, Key: 'x' })))).toEqual(expected);
    expect(await refusal(client.send(new PutObjectCommand({ ...missing, Key: 'x', Body: 'x' })))).toEqual(
      expected,
    );
    expect(await refusal(client.send(new HeadBucketCommand(missing)))).toEqual({
      code: 'NotFound',
      status: 404,
    });
  });

  it('that exist are found and listed', async () => {
    await target.client.send(new HeadBucketCommand({ Bucket: target.bucket }));
    await target.client.send(new GetBucketLocationCommand({ Bucket: target.bucket }));
    const { Buckets = [] } = await target.client.send(new ListBucketsCommand({}));
    expect(Buckets.map(({ Name }) => Name)).toContain(target.bucket);
  });
});

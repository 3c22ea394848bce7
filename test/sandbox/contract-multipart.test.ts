import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  PutObjectCommand,
  UploadPartCommand,
  UploadPartCopyCommand,
  type ChecksumAlgorithm,
  type ChecksumType,
  type CompletedPart,
  type CompleteMultipartUploadCommandInput,
  type CreateMultipartUploadCommandInput,
  type UploadPartCommandInput,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTarget, refusal, type Target } from './target.ts';

const MIB = 1024 * 1024;
const LEAST = 5 * MIB;
const FIRST = Buffer.alloc(LEAST, 'first part ');
const SECOND = Buffer.alloc(LEAST + 1, 'second part ');
const LAST = Buffer.from('the end');
const WHOLE = Buffer.concat([FIRST, SECOND, LAST]);

let target: Target;
beforeAll(async () => {
  target = await openTarget();
});
afterAll(() => target.close());

interface Begun {
  key: string;
  UploadId: string;
  part: (number: number, body: Buffer, more?: Partial<UploadPartCommandInput>) => Promise<CompletedPart>;
  complete: (
    parts: CompletedPart[],
    more?: Partial<CompleteMultipartUploadCommandInput>,
  ) => Promise<{ ETag?: string }>;
}

async function begin(more: Partial<CreateMultipartUploadCommandInput> = {}): Promise<Begun> {
  const { client, bucket: Bucket } = target;
  const key = more.Key ?? `${target.prefix()}multipart`;
  const { UploadId = '' } = await client.send(
    new CreateMultipartUploadCommand({ Bucket, Key: key, ...more }),
  );
  const upload = { Bucket, Key: key, UploadId };
  return {
    key,
    UploadId,
    part: async (PartNumber, Body, partMore = {}) => {
      const sent = await client.send(new UploadPartCommand({ ...upload, PartNumber, Body, ...partMore }));
      const { ETag, ChecksumCRC32, ChecksumCRC32C, ChecksumCRC64NVME, ChecksumSHA1, ChecksumSHA256 } = sent;
      return {
        PartNumber,
        ETag,
        ChecksumCRC32,
        ChecksumCRC32C,
        ChecksumCRC64NVME,
        ChecksumSHA1,
        ChecksumSHA256,
      };
    },
    complete: async (Parts, completeMore = {}) => {
      const { ETag } = await client.send(
        new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts }, ...completeMore }),
      );
      return ETag === undefined ? {} : { ETag };
    },
  };
}

async function get(key: string): Promise<Buffer> {
  const reply = await target.client.send(new GetObjectCommand({ Bucket: target.bucket, Key: key }));
  return Buffer.from((await reply.Body?.transformToByteArray()) ?? []);
}

function md5(bytes: Buffer): Buffer {
  return createHash('md5').update(bytes).digest();
}

describe('an upload', () => {
  it.each<[ChecksumAlgorithm, ChecksumType]>([
    ['CRC32', 'COMPOSITE'],
    ['CRC32', 'FULL_OBJECT'],
    ['CRC32C', 'COMPOSITE'],
    ['CRC32C', 'FULL_OBJECT'],
    ['CRC64NVME', 'FULL_OBJECT'],
    ['SHA1', 'COMPOSITE'],
    ['SHA256', 'COMPOSITE'],
  ])('with %s, %s', async (ChecksumAlgorithm, ChecksumType) => {
    const { client, bucket: Bucket } = target;
    const {
      key: Key,
      part,
      complete,
    } = await begin({ ChecksumAlgorithm, ChecksumType, ContentType: 'text/x' });
    const more = { ChecksumAlgorithm };
    // Parts may come in any order, and twice: the last one counts.
    const third = await part(7, LAST, more);
    await part(1, SECOND, more);
    const second = await part(3, SECOND, more);
    const first = await part(1, FIRST, more);
    const { ETag } = await complete([first, second, third]);
    const etags = Buffer.concat([FIRST, SECOND, LAST].map(md5));
    expect(ETag).toBe(`"${md5(etags).toString('hex')}-3"`);
    expect(WHOLE.equals(await get(Key))).toBe(true);

    const head = await client.send(new HeadObjectCommand({ Bucket, Key, ChecksumMode: 'ENABLED' }));
    expect(head).toMatchObject({ ETag, ChecksumType, ContentType: 'text/x', ContentLength: WHOLE.length });
    const composite = expect.stringMatching(/=*-3$/) as string;
    // S3 computes the same checksum for a copy.
    const copied = await client.send(
      new CopyObjectCommand({
        Bucket,
        Key: `${Key}-copy`,
        CopySource: `${Bucket}/${Key}`,
        ChecksumAlgorithm,
      }),
    );
    const value = copied.CopyObjectResult?.[`Checksum${ChecksumAlgorithm}` as 'ChecksumCRC32'];
    expect(copied.CopyObjectResult?.ETag).toBe(`"${md5(WHOLE).toString('hex')}"`);
    expect(head).toMatchObject({
      [`Checksum${ChecksumAlgorithm}`]: ChecksumType === 'COMPOSITE' ? composite : value,
    });
  });

  it('without a checksum gets one over the whole', async () => {
    const upload = await begin();
    const { client, bucket: Bucket } = target;
    const { ChecksumType } = await new Upload({
      client,
      params: { Bucket, Key: upload.key, Body: WHOLE },
    }).done();
    expect(['COMPOSITE', 'FULL_OBJECT']).toContain(ChecksumType);
    expect(WHOLE.equals(await get(upload.key))).toBe(true);
  });

  it('shows nothing before it is complete', async () => {
    const { key, part, complete } = await begin();
    const parts = [await part(1, LAST)];
    const sent = target.client.send(new HeadObjectCommand({ Bucket: target.bucket, Key: key }));
    expect(await refusal(sent)).toEqual({ code: 'NotFound', status: 404 });
    await complete(parts);
    expect(await get(key)).toEqual(LAST);
  });

  it('gives its object the time of its own start', async () => {
    const { key, UploadId, part, complete } = await begin();
    const { client, bucket: Bucket } = target;
    const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket, Prefix: key }));
    expect(Uploads.map((upload) => upload.UploadId)).toEqual([UploadId]);
    await complete([await part(1, LAST)]);
    const { LastModified } = await client.send(new HeadObjectCommand({ Bucket, Key: key }));
    expect(LastModified?.getTime()).toBe(Math.floor((Uploads[0]?.Initiated?.getTime() ?? 0) / 1000) * 1000);
  });

  it.each<[string, Partial<CreateMultipartUploadCommandInput>]>([
    ['CRC64NVME composite', { ChecksumAlgorithm: 'CRC64NVME', ChecksumType: 'COMPOSITE' }],
    ['SHA256 over the whole', { ChecksumAlgorithm: 'SHA256', ChecksumType: 'FULL_OBJECT' }],
    ['SHA1 over the whole', { ChecksumAlgorithm: 'SHA1', ChecksumType: 'FULL_OBJECT' }],
  ])('cannot begin with %s', async (_name, more) => {
    expect(await refusal(begin(more))).toEqual({ code: 'InvalidRequest', status: 400 });
  });
});

describe('a part', () => {
  it.each<[string, number, Partial<UploadPartCommandInput>, string]>([
    ['number 0', 0, {}, 'InvalidArgument'],
    ['number 10,001', 10_001, {}, 'InvalidArgument'],
    ['of another algorithm', 1, { ChecksumAlgorithm: 'SHA256' }, 'InvalidRequest'],
    ['with a wrong checksum', 1, { ChecksumCRC32: 'AAAAAA==' }, 'BadDigest'],
    ['with a wrong Content-MD5', 1, { ContentMD5: md5(FIRST).toString('base64') }, 'BadDigest'],
  ])('%s is refused', async (_name, number, more, code) => {
    const { part } = await begin({ ChecksumAlgorithm: 'CRC32' });
    expect(await refusal(part(number, LAST, more))).toEqual({ code, status: 400 });
  });

  it('of no upload is refused', async () => {
    const { part, complete } = await begin();
    await complete([await part(1, LAST)]);
    expect(await refusal(part(2, LAST))).toEqual({ code: 'NoSuchUpload', status: 404 });
  });
});

describe('completing', () => {
  const full = { ChecksumAlgorithm: 'CRC32', ChecksumType: 'FULL_OBJECT' } as const;
  const crc = Buffer.alloc(4);
  crc.writeUInt32BE(crc32(WHOLE));

  async function uploaded(more: Partial<CreateMultipartUploadCommandInput> = full) {
    const upload = await begin(more);
    const parts = [
      await upload.part(1, FIRST),
      await upload.part(2, SECOND),
      await upload.part(3, LAST),
    ] as const;
    return { ...upload, parts };
  }

  it('needs every part as it was uploaded, in order, and leaves the upload open when refused', async () => {
    const { key, parts, complete } = await uploaded();
    const [first, second, third] = parts;
    const cases: [CompletedPart[], Partial<CompleteMultipartUploadCommandInput>, string, number][] = [
      [[second, first, third], {}, 'InvalidPartOrder', 400],
      [[first, first, third], {}, 'InvalidPartOrder', 400],
      [[first, { ...second, ETag: first.ETag }, third], {}, 'InvalidPart', 400],
      [[first, { ...second, PartNumber: 9 }], {}, 'InvalidPart', 400],
      [[first, { ...second, ChecksumCRC32: first.ChecksumCRC32 }], {}, 'InvalidPart', 400],
      [[first, second, third], { ChecksumCRC32: 'AAAAAA==' }, 'BadDigest', 400],
      [[first, second, third], { MpuObjectSize: 1 }, 'InvalidRequest', 400],
      [[], {}, 'MalformedXML', 400],
    ];
    for (const [chosen, more, code, status] of cases) {
      expect(await refusal(complete(chosen, more)), code).toEqual({ code, status });
    }
    await complete([...parts], { ChecksumCRC32: crc.toString('base64'), MpuObjectSize: WHOLE.length });
    expect(WHOLE.equals(await get(key))).toBe(true);
    expect(await refusal(complete([...parts]).then(() => complete([])))).toMatchObject({ status: 404 });
  });

  it('of a composite needs the checksum of every part', async () => {
    const { parts, complete } = await uploaded({ ChecksumAlgorithm: 'CRC32' });
    const bare = parts.map(({ ETag, PartNumber }) => ({ ETag, PartNumber }));
    expect(await refusal(complete(bare))).toEqual({ code: 'InvalidRequest', status: 400 });
    await complete([...parts]);
  });

  it('needs 5 MiB in every part but the last', async () => {
    const { part, complete } = await begin(full);
    const small = await part(1, FIRST.subarray(1));
    const last = await part(2, LAST);
    expect(await refusal(complete([small, last]))).toEqual({ code: 'EntityTooSmall', status: 400 });
    await complete([small]);
  });

  it('of an upload without an algorithm takes the claim of a CRC-64/NVME alone', async () => {
    const { key, part, complete } = await begin();
    const parts = [await part(1, Buffer.from('hello'))];
    const [refused, wrong] = [{ ChecksumCRC32: 'NhCmhg==' }, { ChecksumCRC64NVME: 'AAAAAAAAAAA=' }];
    expect(await refusal(complete(parts, refused))).toEqual({ code: 'InvalidRequest', status: 400 });
    expect(await refusal(complete(parts, wrong))).toEqual({ code: 'BadDigest', status: 400 });
    await complete(parts, { ChecksumCRC64NVME: 'M3eFcAZSQlc=' });
    expect((await get(key)).toString()).toBe('hello');
  });

  it('may leave parts out', async () => {
    const { key, parts, complete } = await uploaded();
    await complete([parts[0], parts[2]]);
    expect(Buffer.concat([FIRST, LAST]).equals(await get(key))).toBe(true);
  });

  it('is conditional', async () => {
    const { client, bucket: Bucket } = target;
    const { key: Key, part, complete } = await begin();
    const parts = [await part(1, LAST)];
    const { ETag } = await client.send(new PutObjectCommand({ Bucket, Key, Body: 'before' }));
    const held = { code: 'PreconditionFailed', status: 412 };
    expect(await refusal(complete(parts, { IfNoneMatch: '*' }))).toEqual(held);
    expect(await refusal(complete(parts, { IfMatch: '"0"' }))).toEqual(held);
    expect(await get(Key)).toEqual(Buffer.from('before'));
    await complete(parts, { IfMatch: ETag });
    expect(await get(Key)).toEqual(LAST);
  });

  it('of 20 uploads at once with If-None-Match: * exactly one wins', async () => {
    const key = `${target.prefix()}race`;
    const uploads = await Promise.all(Array.from({ length: 20 }, () => begin({ Key: key })));
    const parts = await Promise.all(uploads.map(({ part }, i) => part(1, Buffer.from(`writer ${i}`))));
    const outcomes = await Promise.allSettled(
      uploads.map(({ complete }, i) => complete([parts[i] ?? {}], { IfNoneMatch: '*' })),
    );
    const winners = outcomes.flatMap(({ status }, i) => (status === 'fulfilled' ? [`writer ${i}`] : []));
    expect(winners).toHaveLength(1);
    expect((await get(key)).toString()).toBe(winners[0]);
  });
});

describe('aborting', () => {
  it('ends the upload', async () => {
    const { client, bucket: Bucket } = target;
    const { key: Key, UploadId, part, complete } = await begin();
    const first = await part(1, LAST);
    const abort = () => client.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId }));
    expect((await abort()).$metadata.httpStatusCode).toBe(204);
    const gone = { code: 'NoSuchUpload', status: 404 };
    expect(await refusal(complete([first]))).toEqual(gone);
    expect(await refusal(client.send(new ListPartsCommand({ Bucket, Key, UploadId })))).toEqual(gone);
    const { Uploads } = await client.send(new ListMultipartUploadsCommand({ Bucket, Prefix: Key }));
    expect(Uploads ?? []).toEqual([]);
  });
});

describe('listing', () => {
  it('returns parts in pages', async () => {
    const { client, bucket: Bucket } = target;
    const { key: Key, UploadId, part } = await begin({ ChecksumAlgorithm: 'CRC32' });
    for (const number of [5, 1, 9, 3]) await part(number, Buffer.from(String(number)));
    const found: number[] = [];
    let marker: string | undefined;
    do {
      const page = await client.send(
        new ListPartsCommand({ Bucket, Key, UploadId, MaxParts: 3, PartNumberMarker: marker }),
      );
      for (const { PartNumber = 0, Size, ETag, ChecksumCRC32 } of page.Parts ?? []) {
        found.push(PartNumber);
        expect(Size).toBe(1);
        expect(ETag).toBe(`"${md5(Buffer.from(String(PartNumber))).toString('hex')}"`);
        expect(ChecksumCRC32).toMatch(/==$/);
      }
      marker = page.IsTruncated ? page.NextPartNumberMarker : undefined;
    } while (marker !== undefined);
    expect(found).toEqual([1, 3, 5, 9]);
  });

  it('returns uploads in pages and under a prefix', async () => {
    const { client, bucket: Bucket } = target;
    const prefix = target.prefix();
    const names = ['b', 'a', 'a', '\u{1f600}', '\ue000', 'B', 'c d+e'];
    for (const name of names) await begin({ Key: prefix + name });
    await begin();
    const found: string[] = [];
    const ids = new Set<string>();
    let markers: { KeyMarker?: string; UploadIdMarker?: string } = {};
    for (let more = true; more;) {
      const page = await client.send(
        new ListMultipartUploadsCommand({ Bucket, Prefix: prefix, MaxUploads: 2, ...markers }),
      );
      for (const { Key = '', UploadId = '' } of page.Uploads ?? []) {
        found.push(Key.slice(prefix.length));
        ids.add(UploadId);
      }
      more = page.IsTruncated ?? false;
      markers = { KeyMarker: page.NextKeyMarker ?? '', UploadIdMarker: page.NextUploadIdMarker ?? '' };
    }
    expect(found).toEqual(['B', 'a', 'a', 'b', 'c d+e', '\ue000', '\u{1f600}']);
    expect(ids.size).toBe(names.length);
  });
});

describe('UploadPartCopy', () => {
  let source: string;
  let etag: string;
  beforeAll(async () => {
    const { client, bucket: Bucket } = target;
    const Key = `${target.prefix()}source +%`;
    source = `${Bucket}/${encodeURIComponent(Key)}`;
    etag = (await client.send(new PutObjectCommand({ Bucket, Key, Body: SECOND }))).ETag ?? '';
  });

  function copy({ key: Key, UploadId }: Begun, PartNumber: number, more = {}) {
    const { client, bucket: Bucket } = target;
    const input = { Bucket, Key, UploadId, PartNumber, CopySource: source, ...more };
    return client.send(new UploadPartCopyCommand(input));
  }

  it('takes ranges of an object as parts', async () => {
    const upload = await begin({ ChecksumAlgorithm: 'CRC32', ChecksumType: 'FULL_OBJECT' });
    const first = await copy(upload, 1, { CopySourceRange: `bytes=1-${LEAST}`, CopySourceIfMatch: etag });
    const last = await copy(upload, 2, { CopySourceRange: 'bytes=0-0' });
    const parts = [first, last].map(({ CopyPartResult: { ETag, ChecksumCRC32 } = {} }, i) => ({
      PartNumber: i + 1,
      ETag,
      ChecksumCRC32,
    }));
    expect(parts[0]?.ETag).toBe(`"${md5(SECOND.subarray(1)).toString('hex')}"`);
    await upload.complete(parts);
    expect(Buffer.concat([SECOND.subarray(1), SECOND.subarray(0, 1)]).equals(await get(upload.key))).toBe(
      true,
    );
  });

  it.each<[string, object, string, number]>([
    ['a source that changed', { CopySourceIfMatch: '"0"' }, 'PreconditionFailed', 412],
    ['a source that is gone', { CopySource: 'contract/not-there' }, 'NoSuchKey', 404],
    ['a range beyond the source', { CopySourceRange: `bytes=0-${SECOND.length}` }, 'InvalidArgument', 400],
    ['an open range', { CopySourceRange: 'bytes=1-' }, 'InvalidArgument', 400],
    ['an upload that is none', { UploadId: 'none' }, 'NoSuchUpload', 404],
  ])('refuses %s', async (_name, more, code, status) => {
    const fixed =
      'CopySource' in more ? { CopySource: `${target.bucket}/${target.prefix()}not-there` } : more;
    expect(await refusal(copy(await begin(), 1, fixed))).toEqual({ code, status });
  });

  it('refuses a range of a source of 5 MiB or less', async () => {
    const { client, bucket: Bucket } = target;
    const Key = `${target.prefix()}small`;
    await client.send(new PutObjectCommand({ Bucket, Key, Body: FIRST }));
    const upload = await begin();
    const sent = copy(upload, 1, { CopySource: `${Bucket}/${Key}`, CopySourceRange: 'bytes=0-1' });
    expect(await refusal(sent)).toEqual({ code: 'InvalidRequest', status: 400 });
    await copy(upload, 1, { CopySource: `${Bucket}/${Key}` });
  });
});

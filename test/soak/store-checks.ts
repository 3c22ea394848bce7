import { createHash } from 'node:crypto';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  PutObjectCommand,
  S3Client,
  S3ServiceException,
  UploadPartCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3';
import { compareKeys } from '../../lambda/rollup/model/key-order.ts';
import { connect } from '../../lambda/s3/connection.ts';
import { type Checksum, isSame } from '../../lambda/rollup/model/checksum/checksum.ts';
import { algorithmParam, checksumParams, parseChecksum } from '../../lambda/s3/checksums.ts';
import { crc32Of, crc64Of } from '../support/checksums.ts';
import { DEFAULT_SETTINGS } from '../../lambda/settings/settings.ts';
import { MiB } from '../../lambda/size.ts';

/**
 * What a store makes of a feature: `works`; `refused`: it says no, and nothing is harmed; `unsafe`: it says yes and does
 * something else.
 */
export type Verdict = 'works' | 'refused' | 'unsafe';

/** One thing that the product relies on. */
export interface Check {
  /** The feature of the product. */
  feature: string;
  /** What follows for the product where it does not work. */
  otherwise: string;
  run: (at: Place) => Promise<Verdict | [Verdict, string]>;
}

/** Where a check may write. */
export interface Place {
  client: S3Client;
  endpoint: string;
  bucket: string;
  /** Ends with a slash; no other check writes there. */
  prefix: string;
}

const OTHER_ETAG = `"${'0'.repeat(32)}"`;
const PART = Buffer.alloc(5 * MiB, 'x');
const LAST = Buffer.from('the end\n');
const WHOLE = Buffer.concat([PART, LAST]);
const crcOf = (body: Buffer): string | undefined => checksumParams(crc32Of(body)).ChecksumCRC32;

/** Every check, in the order of the table. */
export const CHECKS: Check[] = [
  {
    feature: 'Conditional commit: `If-None-Match: *` and `If-Match` on PUT',
    otherwise: 'two runs of one hour at once may lose a commit: never run two',
    run: async ({ client, bucket: Bucket, prefix }) => {
      const Key = `${prefix}a`;
      const put = (more: object) => client.send(new PutObjectCommand({ Bucket, Key, Body: 'a', ...more }));
      const absent = await outcome(put({ IfMatch: OTHER_ETAG }));
      await put({ IfNoneMatch: '*' });
      const held = [
        absent,
        await outcome(put({ IfNoneMatch: '*' })),
        await outcome(put({ IfMatch: OTHER_ETAG })),
      ];
      return held.every((code) => code !== 'done') ? 'works' : 'unsafe';
    },
  },
  {
    feature: 'The same from 20 writers at once: one wins',
    otherwise: 'two runs of one hour at once may lose a commit: never run two',
    run: async ({ client, bucket: Bucket, prefix }) => {
      for (let round = 0; round < 5; round++) {
        const Key = `${prefix}${round}`;
        const puts = Array.from({ length: 20 }, (_, i) =>
          outcome(client.send(new PutObjectCommand({ Bucket, Key, Body: String(i), IfNoneMatch: '*' }))),
        );
        const won = (await Promise.all(puts)).filter((code) => code === 'done').length;
        if (won !== 1) return ['unsafe', `${won} of 20 won`];
      }
      return 'works';
    },
  },
  {
    feature: 'Conditional outputs: `If-None-Match: *` on CompleteMultipartUpload',
    otherwise:
      'an output of another run may be replaced by one with the same bytes; with the PUT of the commit intact nothing is lost',
    run: async (at) => {
      const Key = `${at.prefix}a`;
      await complete(at, Key, {});
      return (await outcome(complete(at, Key, { IfNoneMatch: '*' }))) === 'done' ? 'unsafe' : 'works';
    },
  },
  {
    feature: '`--delete-source`: conditional delete of many keys (DeleteObjects with ETags)',
    otherwise: 'no source is deleted: `UnsafeDelete`. Let a lifecycle rule expire raw',
    run: async ({ client, bucket: Bucket, prefix }) => {
      const Key = `${prefix}a`;
      await client.send(new PutObjectCommand({ Bucket, Key, Body: 'a' }));
      const Delete = { Objects: [{ Key, ETag: OTHER_ETAG }], Quiet: true };
      const said = await outcome(client.send(new DeleteObjectsCommand({ Bucket, Delete })));
      if (await isThere(client, Bucket, Key)) return said === 'done' ? 'works' : 'refused';
      return 'unsafe';
    },
  },
  {
    feature: '`--delete-source`: conditional delete of one key (DeleteObject with `If-Match`)',
    otherwise: 'no source is deleted: `UnsafeDelete`',
    run: async ({ client, bucket: Bucket, prefix }) => {
      const Key = `${prefix}a`;
      await client.send(new PutObjectCommand({ Bucket, Key, Body: 'a' }));
      await outcome(client.send(new DeleteObjectCommand({ Bucket, Key, IfMatch: OTHER_ETAG })));
      return (await isThere(client, Bucket, Key)) ? 'works' : 'unsafe';
    },
  },
  {
    feature: 'Outputs of several parts with a CRC-32 of the whole (FULL_OBJECT)',
    otherwise: 'outputs larger than a part cannot be written: set `--part-size` above the size of outputs',
    run: async (at) => {
      const Key = `${at.prefix}a`;
      const wrong = await outcome(complete(at, Key, { sum: crc32Of('other') }));
      if (wrong === 'done') return ['unsafe', 'a wrong CRC-32 is accepted'];
      const code = await outcome(complete(at, Key, {}));
      if (code !== 'done') return ['refused', code];
      return same(at, Key, WHOLE);
    },
  },
  {
    feature:
      'The same with a CRC-64/NVME, which the store itself gives an object that comes without a checksum',
    otherwise: 'nothing: such sources are summed up as they arrive, and outputs have a CRC-32',
    run: async (at) => {
      const { client, bucket: Bucket, prefix } = at;
      const Key = `${prefix}a`;
      const wrong = await outcome(complete(at, Key, { sumOf: crc64Of, sum: crc64Of('other') }));
      if (wrong === 'done') return ['unsafe', 'a wrong CRC-64/NVME is accepted'];
      const code = await outcome(complete(at, Key, { sumOf: crc64Of }));
      if (code !== 'done') return ['refused', code];
      const isTold = async (key: string, bytes: Buffer): Promise<boolean> => {
        const head = await client.send(new HeadObjectCommand({ Bucket, Key: key, ChecksumMode: 'ENABLED' }));
        return isSame(parseChecksum(head), crc64Of(bytes));
      };
      if (!(await isTold(Key, WHOLE))) return ['refused', 'not told of outputs in parts'];
      const { endpoint, region, credentials, forcePathStyle } = client.config;
      const access = { region, credentials, forcePathStyle, ...(endpoint && { endpoint }) };
      const bare = new S3Client({ ...access, requestChecksumCalculation: 'WHEN_REQUIRED' });
      await bare.send(new PutObjectCommand({ Bucket, Key: `${prefix}b`, Body: LAST }));
      return (await isTold(`${prefix}b`, LAST)) ? 'works' : ['works', 'objects without a checksum get none'];
    },
  },
  {
    feature: 'The CRC-32 of an object is kept and told (`x-amz-checksum-crc32`)',
    otherwise: 'outputs are read again to be proven, and more is looked at',
    run: async (at) => {
      const { client, bucket: Bucket, prefix } = at;
      const Key = `${prefix}a`;
      await complete(at, Key, {});
      const head = await client.send(new HeadObjectCommand({ Bucket, Key, ChecksumMode: 'ENABLED' }));
      return head.ChecksumCRC32 === crcOf(WHOLE) ? 'works' : ['refused', 'not told of outputs in parts'];
    },
  },
  {
    feature: 'A damaged upload is refused (PUT with a wrong CRC-32)',
    otherwise: 'damage on the way to the store is found by `verify --deep` alone',
    run: async ({ client, bucket: Bucket, prefix }) => {
      const input = { Bucket, Key: `${prefix}a`, Body: 'a', ...checksumParams(crc32Of('b')) };
      return (await outcome(client.send(new PutObjectCommand(input)))) === 'done' ? 'unsafe' : 'works';
    },
  },
  {
    feature: 'Reads that are pinned to an ETag (GET with `If-Match`), and ranges',
    otherwise:
      'a source that changes during a run may be read half and half; the next run finds it by its ETag',
    run: async ({ client, bucket: Bucket, prefix }) => {
      const Key = `${prefix}a`;
      await client.send(new PutObjectCommand({ Bucket, Key, Body: '0123456789' }));
      const range = await client.send(new GetObjectCommand({ Bucket, Key, Range: 'bytes=2-4' }));
      if ((await range.Body?.transformToString()) !== '234') return ['unsafe', 'ranges'];
      const other = await outcome(client.send(new GetObjectCommand({ Bucket, Key, IfMatch: OTHER_ETAG })));
      return other === 'done' ? 'unsafe' : 'works';
    },
  },
  {
    feature:
      'Keys with spaces, `+`, `%`, `%2F`, quotes, Unicode: listed and read as they were written, in UTF-8 order',
    otherwise: 'such hours end as `UnsortedListing`, or sources are not found',
    run: async (at) => {
      const names = [' two  words ', `'"<&>`, '100%', 'a%20b', 'a%2Fb', 'a+b', 'ü€', '\ue000', '𝄞'];
      return roundTrip(at, names.toSorted(compareKeys));
    },
  },
  {
    feature: 'Keys with `//`, `..` or a slash at the beginning',
    otherwise: 'a source with such a key cannot be written there in the first place',
    run: (at) => roundTrip(at, ['..', '/a', 'a/../b', 'a//b'].toSorted(compareKeys)),
  },
  {
    feature: 'Keys with control characters',
    otherwise: 'a source with such a key cannot be written there in the first place',
    run: (at) => roundTrip(at, ['bell\u0007', 'line\nend\r']),
  },
  {
    feature: 'Listings show what was just written and deleted, over several pages',
    otherwise: 'what is late in the listing is added by a later run',
    run: async (at) => {
      const names = Array.from({ length: 1010 }, (_, i) => String(i).padStart(4, '0'));
      return roundTrip(at, names, false);
    },
  },
  {
    feature: 'Open uploads are listed by prefix',
    otherwise:
      'uploads of killed runs are not found: set a lifecycle rule that aborts incomplete uploads, or the like of the store',
    run: async ({ client, bucket: Bucket, prefix }) => {
      const Key = `${prefix}dir/a`;
      const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key }));
      const list = (Prefix: string) => client.send(new ListMultipartUploadsCommand({ Bucket, Prefix }));
      const [byPrefix, byKey] = [await list(prefix), await list(Key)];
      await client.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId }));
      if ((byPrefix.Uploads ?? []).some((upload) => upload.Key === Key)) return 'works';
      return ['refused', (byKey.Uploads ?? []).length > 0 ? 'by exact key alone' : 'not listed'];
    },
  },
  {
    feature: 'Copies inside the store (CopyObject, pinned, conditional)',
    otherwise: 'large sources cannot be taken over: exclude them',
    run: async (at) => {
      const { client, bucket: Bucket, prefix } = at;
      await complete(at, `${prefix}a +%`, {});
      const CopySource = `${Bucket}/${prefix}${encodeURIComponent('a +%')}`;
      const copy = (more: object) =>
        client.send(
          new CopyObjectCommand({
            Bucket,
            Key: `${prefix}b`,
            CopySource,
            ChecksumAlgorithm: 'CRC32',
            ...more,
          }),
        );
      if ((await outcome(copy({ CopySourceIfMatch: OTHER_ETAG }))) === 'done')
        return ['unsafe', 'not pinned'];
      const code = await outcome(copy({}));
      if (code !== 'done') return ['refused', code];
      const isKept = (await outcome(copy({ IfNoneMatch: '*' }))) !== 'done';
      const verdict = await same(at, `${prefix}b`, WHOLE);
      return verdict === 'works' && !isKept ? ['works', '`If-None-Match` is ignored'] : verdict;
    },
  },
  {
    feature: 'Copies of ranges (UploadPartCopy)',
    otherwise:
      'nothing: only Amazon S3 itself is asked for them, elsewhere such copies pass through this program',
    run: async (at) => {
      const { client, bucket: Bucket, prefix } = at;
      await complete(at, `${prefix}a`, {});
      const Key = `${prefix}b`;
      const { UploadId } = await client.send(
        new CreateMultipartUploadCommand({
          Bucket,
          Key,
          ChecksumAlgorithm: 'CRC32',
          ChecksumType: 'FULL_OBJECT',
        }),
      );
      const part = { Bucket, Key, UploadId, PartNumber: 1, CopySource: `${Bucket}/${prefix}a` };
      const copy = { ...part, CopySourceRange: `bytes=1-${WHOLE.length - 1}` };
      const sent = client.send(new UploadPartCopyCommand(copy));
      const asked = await outcome(sent);
      if (asked !== 'done') return ['refused', asked];
      const { CopyPartResult: copied } = await sent;
      const Parts = [{ PartNumber: 1, ETag: copied?.ETag, ChecksumCRC32: copied?.ChecksumCRC32 }];
      const done = {
        Bucket,
        Key,
        UploadId,
        ChecksumType: 'FULL_OBJECT' as const,
        MultipartUpload: { Parts },
      };
      const code = await outcome(client.send(new CompleteMultipartUploadCommand(done)));
      if (code !== 'done') return ['refused', code];
      const head = await client.send(new HeadObjectCommand({ Bucket, Key, ChecksumMode: 'ENABLED' }));
      const isRight = head.ChecksumCRC32 === crcOf(WHOLE.subarray(1));
      return isRight ? same(at, Key, WHOLE.subarray(1)) : ['unsafe', 'with the CRC-32 of the whole source'];
    },
  },
  {
    feature: '`--storage-class STANDARD_IA`',
    otherwise: 'leave it out',
    run: async ({ client, bucket: Bucket, prefix }) => {
      const Key = `${prefix}a`;
      const put = new PutObjectCommand({ Bucket, Key, Body: 'a', StorageClass: 'STANDARD_IA' });
      const code = await outcome(client.send(put));
      if (code !== 'done') return ['refused', code];
      const { StorageClass } = await client.send(new HeadObjectCommand({ Bucket, Key }));
      return StorageClass === 'STANDARD_IA' ? 'works' : ['refused', 'accepted and not kept'];
    },
  },
  {
    feature: '`--tags`',
    otherwise: 'leave them out',
    run: async ({ client, bucket: Bucket, prefix }) => {
      const put = new PutObjectCommand({ Bucket, Key: `${prefix}a`, Body: 'a', Tagging: 'team=logs' });
      const code = await outcome(client.send(put));
      return code === 'done' ? 'works' : ['refused', code];
    },
  },
];

/** `done`, or the code with which S3 refused. */
async function outcome(sent: Promise<unknown>): Promise<string> {
  try {
    await sent;
    return 'done';
  } catch (error) {
    if (error instanceof S3ServiceException) return error.name;
    throw error;
  }
}

async function isThere(client: S3Client, Bucket: string, Key: string): Promise<boolean> {
  return (await outcome(client.send(new HeadObjectCommand({ Bucket, Key })))) === 'done';
}

/** Uploads `WHOLE` in two parts. An upload whose completion is refused is aborted. */
async function complete(
  { client, bucket: Bucket }: Place,
  Key: string,
  {
    sumOf = crc32Of,
    sum = sumOf(WHOLE),
    ...condition
  }: { sumOf?: (bytes: Buffer) => Checksum; sum?: Checksum; IfNoneMatch?: string },
): Promise<void> {
  const kind = { ...algorithmParam(sum), ChecksumType: 'FULL_OBJECT' } as const;
  const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key, ...kind }));
  const Parts = [];
  for (const [i, Body] of [PART, LAST].entries()) {
    const part = { PartNumber: i + 1, ...checksumParams(sumOf(Body)) };
    const { ETag } = await client.send(new UploadPartCommand({ Bucket, Key, UploadId, Body, ...part }));
    Parts.push({ ...part, ETag });
  }
  const input = { Bucket, Key, UploadId, MultipartUpload: { Parts }, ChecksumType: 'FULL_OBJECT' as const };
  try {
    await client.send(new CompleteMultipartUploadCommand({ ...input, ...checksumParams(sum), ...condition }));
  } catch (error) {
    await outcome(client.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId })));
    throw error;
  }
}

async function same({ client, bucket: Bucket }: Place, Key: string, body: Buffer): Promise<Verdict> {
  const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }));
  const hash = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
  return hash((await Body?.transformToByteArray()) ?? new Uint8Array()) === hash(body) ? 'works' : 'unsafe';
}

/** Writes objects of these names, and finds them by the product's own listing and reads. */
async function roundTrip(
  { client, endpoint, bucket, prefix }: Place,
  names: string[],
  reads = true,
): Promise<Verdict | [Verdict, string]> {
  for (let at = 0; at < names.length; at += 50) {
    const puts = names.slice(at, at + 50).map((name) => {
      const put = new PutObjectCommand({ Bucket: bucket, Key: prefix + name, Body: name });
      return outcome(client.send(put));
    });
    const code = (await Promise.all(puts)).find((done) => done !== 'done');
    if (code !== undefined) return ['refused', code];
  }
  const connection = connect({ settings: DEFAULT_SETTINGS, endpointUrl: endpoint });
  try {
    const listed = (await Array.fromAsync(connection.store.list({ bucket, prefix }))).flat();
    const found = listed.map(({ key }) => key.slice(prefix.length));
    if (JSON.stringify(found) !== JSON.stringify(names)) return ['unsafe', 'listed as other keys'];
    for (const { key, size, etag } of reads ? listed : []) {
      const into = Buffer.alloc(size);
      await connection.store.read({ bucket, key, etag }, into, new AbortController().signal);
      if (into.toString() !== key.slice(prefix.length)) return 'unsafe';
    }
    return 'works';
  } catch (error) {
    return ['refused', error instanceof Error ? error.message.slice(0, 60) : String(error)];
  } finally {
    connection.close();
  }
}

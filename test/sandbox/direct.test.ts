import {
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  UploadPartCommand,
  CreateMultipartUploadCommand,
  CopyObjectCommand,
} from '@aws-sdk/client-s3';
import { once } from 'node:events';
import { get } from 'node:http';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { IncomingMessage } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startSandbox, type Sandbox } from '../../sandbox/sandbox.ts';
import { createClient, refusal } from './target.ts';

describe.each(['memory', 'folder'])('direct access to a sandbox in %s', (kind) => {
  let sandbox: Sandbox;
  let folder: string;
  let time = new Date('2026-11-21T08:00:00.900Z');
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'sandbox-test-'));
    time = new Date('2026-11-21T08:00:00.900Z');
    sandbox = await startSandbox({ buckets: ['b'], now: () => time, ...(kind === 'folder' && { folder }) });
  });
  afterEach(async () => {
    await sandbox.close();
    rmSync(folder, { recursive: true });
  });

  it('reads objects that were put over HTTP, and the reverse', async () => {
    const client = createClient(sandbox.endpoint);
    const { etag } = sandbox.put('b', 'x', Buffer.from('hello'), {
      headers: { 'content-type': 'a/b', 'x-amz-meta-m': '1' },
    });
    const reply = await client.send(new GetObjectCommand({ Bucket: 'b', Key: 'x' }));
    expect(await reply.Body?.transformToString()).toBe('hello');
    expect(reply).toMatchObject({
      ETag: `"${etag}"`,
      ContentType: 'a/b',
      Metadata: { m: '1' },
      LastModified: new Date('2026-11-21T08:00:00Z'),
      // The checksum that S3 adds to an object without one.
      ChecksumCRC64NVME: 'M3eFcAZSQlc=',
    });
    expect(sandbox.head('b', 'x')).toEqual({
      size: 5,
      etag,
      lastModified: new Date('2026-11-21T08:00:00Z'),
      checksums: { 'x-amz-checksum-crc64nvme': 'M3eFcAZSQlc=' },
    });
    expect([sandbox.get('b', 'y'), sandbox.head('b', 'y')]).toEqual([undefined, undefined]);
    expect(() => sandbox.get('none', 'x')).toThrow('bucket does not exist');
  });

  it('copies the bytes of a buffer that is put', () => {
    const body = Buffer.from('hello');
    sandbox.put('b', 'x', body);
    body.fill('x');
    expect(sandbox.get('b', 'x')?.toString()).toBe('hello');
  });

  it('moves LastModified back with age()', async () => {
    sandbox.put('b', 'x', '');
    sandbox.age('b', 'x', 2 * 3_600_000);
    const head = await createClient(sandbox.endpoint).send(new HeadObjectCommand({ Bucket: 'b', Key: 'x' }));
    expect(head.LastModified).toEqual(new Date('2026-11-21T06:00:00Z'));
  });

  it('creates archived objects, which are listed, but neither read nor copied', async () => {
    const client = createClient(sandbox.endpoint);
    for (const storageClass of ['GLACIER', 'DEEP_ARCHIVE']) {
      sandbox.put('b', 'x', 'cold', { storageClass });
      const { Contents } = await client.send(new ListObjectsV2Command({ Bucket: 'b' }));
      expect(Contents).toMatchObject([{ Key: 'x', StorageClass: storageClass }]);
      const archived = { code: 'InvalidObjectState', status: 403 };
      expect(await refusal(client.send(new GetObjectCommand({ Bucket: 'b', Key: 'x' })))).toEqual(archived);
      const copy = new CopyObjectCommand({ Bucket: 'b', Key: 'y', CopySource: 'b/x' });
      expect(await refusal(client.send(copy))).toEqual(archived);
    }
  });

  it('names open uploads with openUploads()', async () => {
    const client = createClient(sandbox.endpoint);
    const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket: 'b', Key: 'm' }));
    await client.send(new UploadPartCommand({ Bucket: 'b', Key: 'm', UploadId, PartNumber: 1, Body: 'x' }));
    expect(sandbox.openUploads('b')).toEqual([
      { key: 'm', uploadId: UploadId, initiated: new Date('2026-11-21T08:00:00Z') },
    ]);
    expect(sandbox.keys('b')).toEqual([]);
  });

  it('does not change the bytes of a read that has begun', async () => {
    const old = Buffer.alloc(30_000_000, 'old bytes ');
    sandbox.put('b', 'x', old);
    const [response] = (await once(get(`${sandbox.endpoint}/b/x`), 'response')) as [IncomingMessage];
    sandbox.put('b', 'x', 'new');
    sandbox.delete('b', 'x');
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk as Buffer);
    expect(Buffer.concat(chunks).equals(old)).toBe(true);
    expect(sandbox.get('b', 'x')).toBeUndefined();
  });

  it('lists 200,000 keys in time, in any order of arrival', async () => {
    if (kind === 'folder') return;
    const key = (i: number) => `raw/app/${String((i * 7_919) % 200_000).padStart(6, '0')}`;
    for (let i = 0; i < 200_000; i++) sandbox.put('b', key(i), '');
    const client = createClient(sandbox.endpoint);
    const page = await client.send(new ListObjectsV2Command({ Bucket: 'b', StartAfter: 'raw/app/150000' }));
    expect(page.Contents?.[0]?.Key).toBe('raw/app/150001');
    expect(page.Contents).toHaveLength(1000);
    const folders = await client.send(new ListObjectsV2Command({ Bucket: 'b', Delimiter: '/' }));
    expect(folders.CommonPrefixes).toEqual([{ Prefix: 'raw/' }]);
  });
});
